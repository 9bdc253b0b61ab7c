//! Tickets: what stands in the address of a file for an hour after its button was pressed, so that a download can be gone on with and no
//! scanner of mail finds the file by following the link. Nothing is kept of them: a ticket says until when it holds, vouched for by a key
//! that this process alone has. After a restart the button has to be pressed again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::link::TICKET_MS;
use domain::secret::Secret;
use ring::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::ports::Random;
use crate::store::Digest;

/// The bytes of a ticket that vouch for it: 128 bits (RFC 2104 section 5).
const VOUCHER: usize = 16;

/// Issues tickets, and knows them again.
pub(super) struct Tickets(hmac::Key);

impl Tickets {
    pub(super) fn new(random: &dyn Random) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(key.as_mut_slice());
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
    }

    /// A ticket for the link that has this digest.
    pub(super) fn issue(&self, link: &Digest, now_ms: u64) -> Secret {
        let until = now_ms.saturating_add(TICKET_MS).to_be_bytes();
        let ticket = [until.as_slice(), &self.voucher(link, until)].concat();
        Secret::new(URL_SAFE_NO_PAD.encode(ticket))
    }

    /// Whether a ticket is for this link, and not too old.
    pub(super) fn holds(&self, link: &Digest, ticket: &Secret, now_ms: u64) -> bool {
        let Ok(ticket) = URL_SAFE_NO_PAD.decode(ticket.expose()) else { return false };
        let Some((until, voucher)) = ticket.split_first_chunk::<8>() else { return false };
        let is_ours = bool::from(self.voucher(link, *until).as_slice().ct_eq(voucher));
        is_ours && now_ms < u64::from_be_bytes(*until)
    }

    fn voucher(&self, link: &Digest, until: [u8; 8]) -> [u8; VOUCHER] {
        let tag = hmac::sign(&self.0, &[link.as_slice(), &until].concat());
        let mut voucher = [0; VOUCHER];
        voucher.copy_from_slice(&tag.as_ref()[..VOUCHER]);
        voucher
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemRandom;

    #[test]
    fn a_ticket_holds_for_an_hour_for_its_link_and_this_process() {
        let tickets = Tickets::new(&SystemRandom);
        let (link, other, now) = ([1; 32], [2; 32], 1_800_000_000_000);
        let ticket = tickets.issue(&link, now);
        assert!(tickets.holds(&link, &ticket, now) && tickets.holds(&link, &ticket, now + TICKET_MS - 1));
        assert!(!tickets.holds(&link, &ticket, now + TICKET_MS));
        assert!(!tickets.holds(&other, &ticket, now));
        assert!(!Tickets::new(&SystemRandom).holds(&link, &ticket, now));
        let longer = URL_SAFE_NO_PAD.encode([u64::MAX.to_be_bytes().as_slice(), &[0; VOUCHER]].concat());
        let cut = ticket.expose()[..ticket.expose().len() - 4].to_owned();
        for wrong in [String::new(), "x".into(), "!".repeat(32), longer, cut, format!("{}AAAA", ticket.expose())] {
            assert!(!tickets.holds(&link, &Secret::new(wrong.clone()), now), "{wrong}");
        }
    }
}
