//! The key of a back-up is made of a passphrase with argon2id (RFC 9106), slowly and in much memory: whoever has the file can try
//! passphrases for ever.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use domain::secret::Secret;
use zeroize::{Zeroize, Zeroizing};

use super::container::SALT;
use crate::seal::{KEY_LENGTH, Key};

/// The memory it takes: KiB. With the passes and lanes below, the second recommended option of RFC 9106 section 4.
const MEMORY: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// The fewest characters of a passphrase that is chosen: a back-up lies where others may copy it.
pub const MIN_LENGTH: usize = 12;

/// The key. It takes a fraction of a second.
///
/// # Panics
/// Never: the parameters above are valid.
pub fn derive(passphrase: &Secret, salt: &[u8; SALT]) -> Key {
    let params = Params::new(MEMORY, PASSES, LANES, Some(KEY_LENGTH)).expect("they are valid");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    argon2
        .hash_password_into_with_memory(passphrase.expose().as_bytes(), salt, key.as_mut_slice(), &mut memory)
        .expect("a passphrase is shorter than 4 GiB");
    memory.zeroize();
    Key::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_its_passphrase_and_its_salt_and_stays_so() {
        let of = |text: &str, salt| derive(&Secret::new(text.to_owned()), &[salt; SALT]);
        let key = of("correct horse battery staple", 1);
        // What the reference implementation makes of the same.
        let hex = key.bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(hex, "78c931611fc9fecc98be09535af9c8e3e6049755cb69f25b25ac0fefb60e2390");
        for other in [of("correct horse battery stapl", 1), of("correct horse battery staple", 2)] {
            assert_ne!(other.bytes(), key.bytes());
        }
    }
}
