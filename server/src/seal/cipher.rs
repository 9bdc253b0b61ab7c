//! XChaCha20-Poly1305 in place: a nonce, what is encrypted, a tag.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, Zeroizing};

use super::{Key, SealError};
use crate::ports::Random;

/// Bytes of a nonce: so many that random ones never meet (2⁹⁶ of them to a chance of one half).
pub(super) const NONCE: usize = 24;
/// Bytes of a tag.
pub(super) const TAG: usize = 16;

/// The cipher with its key, which is wiped when this is dropped.
pub(super) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub(super) fn new(key: &Key) -> Self {
        let mut copy = chacha20poly1305::Key::from(*key.bytes());
        let cipher = XChaCha20Poly1305::new(&copy);
        copy.zeroize();
        Self(cipher)
    }

    /// Adds a nonce to `out`, then what `write` adds to it, encrypted where it stands, and the tag.
    ///
    /// # Panics
    /// Never: what is sealed is far shorter than the 256 GiB that a nonce takes.
    pub(super) fn seal_in_place(
        &self,
        out: &mut Vec<u8>,
        associated: &[u8],
        random: &dyn Random,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = out.len();
        out.resize(at + NONCE, 0);
        random.fill(&mut out[at..]);
        let nonce = nonce(&out[at..]);
        write(out);
        let text = &mut out[at + NONCE..];
        let tag = self.0.encrypt_inout_detached(&nonce, associated, text.into()).expect("it is shorter than 256 GiB");
        out.extend_from_slice(&tag);
    }

    /// What stands between nonce and tag.
    pub(super) fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonced, rest) = sealed.split_at_checked(NONCE).ok_or(SealError::TooShort)?;
        let (text, tag) = rest.len().checked_sub(TAG).and_then(|at| rest.split_at_checked(at)).ok_or(SealError::TooShort)?;
        let tag = Tag::try_from(tag).map_err(|_| SealError::TooShort)?;
        let mut text = Zeroizing::new(text.to_vec());
        self.0
            .decrypt_inout_detached(&nonce(nonced), associated, text.as_mut_slice().into(), &tag)
            .map_err(|_| SealError::Refused)?;
        Ok(text)
    }
}

fn nonce(bytes: &[u8]) -> XNonce {
    let mut nonce = XNonce::default();
    nonce.copy_from_slice(bytes);
    nonce
}
