//! Walks over values in BER (X.690), of which DER is a part: stores made by NSS or Bouncy Castle have lengths that only an end
//! mark tells. Pure, and without recursion of its own; `asn1-rs` finds end marks no deeper than 50 levels.

use x509_parser::asn1_rs::{Any, Class, FromBer as _, Oid, Tag};
use zeroize::Zeroizing;

/// Values one after the other.
#[derive(Clone)]
pub(super) struct Ber<'a>(&'a [u8]);

/// One value.
pub(super) struct Value<'a> {
    any: Any<'a>,
    /// With its tag and length.
    pub(super) whole: &'a [u8],
}

impl<'a> Ber<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not walked over yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next value, whatever it is.
    pub(super) fn next(&mut self) -> Option<Value<'a>> {
        let (rest, any) = Any::from_ber(self.0).ok()?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some(Value { any, whole })
    }

    /// What is in the next value, which is a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.next()?.inside(Class::Universal, Tag::Sequence)
    }

    /// What is in the next value, which is a set.
    pub(super) fn set(&mut self) -> Option<Self> {
        self.next()?.inside(Class::Universal, Tag::Set)
    }

    /// What is in the next value, which has this tag of the context.
    pub(super) fn tagged(&mut self, number: u32) -> Option<Self> {
        self.next()?.tagged(number)
    }

    /// The next value, an object identifier.
    pub(super) fn oid(&mut self) -> Option<Oid<'a>> {
        self.next()?.any.oid().ok()
    }

    /// The next value, a number that isn't negative.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        self.next()?.any.u64().ok()
    }

    /// The next value, a string of octets.
    pub(super) fn octets(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.next().filter(|value| value.is(Class::Universal, Tag::OctetString))?.octets()
    }
}

impl<'a> Value<'a> {
    fn is(&self, class: Class, tag: Tag) -> bool {
        self.any.class() == class && self.any.tag() == tag
    }

    fn inside(&self, class: Class, tag: Tag) -> Option<Ber<'a>> {
        (self.is(class, tag) && self.any.header.is_constructed()).then_some(Ber(self.any.data))
    }

    /// Its tag, if it is one that every standard knows.
    pub(super) fn universal(&self) -> Option<Tag> {
        (self.any.class() == Class::Universal).then_some(self.any.tag())
    }

    /// Whether it is a sequence.
    pub(super) fn is_sequence(&self) -> bool {
        self.is(Class::Universal, Tag::Sequence)
    }

    /// What is in it, if it has this tag of the context.
    pub(super) fn tagged(&self, number: u32) -> Option<Ber<'a>> {
        self.inside(Class::ContextSpecific, Tag(number))
    }

    /// Whether it has this tag of the context.
    pub(super) fn is_tagged(&self, number: u32) -> bool {
        self.is(Class::ContextSpecific, Tag(number))
    }

    /// Its content as a string of octets, whatever its tag: in BER it may come in pieces.
    pub(super) fn octets(&self) -> Option<Zeroizing<Vec<u8>>> {
        if !self.any.header.is_constructed() {
            return Some(Zeroizing::new(self.any.data.to_vec()));
        }
        // At once as long as it can become: memory that is given back while growing isn't wiped.
        let mut all = Zeroizing::new(Vec::with_capacity(self.any.data.len()));
        let mut pieces = Ber(self.any.data);
        while !pieces.0.is_empty() {
            let piece = pieces.next()?;
            // Pieces of pieces are allowed (X.690 section 8.7.3.2) and nobody makes them.
            if !piece.is(Class::Universal, Tag::OctetString) || piece.any.header.is_constructed() {
                return None;
            }
            all.extend_from_slice(piece.any.data);
        }
        Some(all)
    }

    /// Its content as a string of 16-bit characters (`BMPString`).
    pub(super) fn text(&self) -> Option<String> {
        let units = self.any.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        self.is(Class::Universal, Tag::BmpString)
            .then(|| char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_an_end_mark_tells_are_read_and_pieces_are_joined() {
        // SEQUENCE { OCTET STRING { "ab", "c" }, INTEGER 5 } and what follows.
        let bytes = [&[0x30, 0x80, 0x24, 0x80, 4, 2, b'a', b'b', 4, 1, b'c', 0, 0, 2, 1, 5, 0, 0][..], &[2, 1, 7]].concat();
        let mut outer = Ber::new(&bytes);
        let mut inner = outer.sequence().unwrap();
        assert_eq!(inner.octets().unwrap().as_slice(), b"abc");
        assert_eq!(inner.unsigned(), Some(5));
        assert!(inner.next().is_none());
        assert_eq!(outer.unsigned(), Some(7));
        assert!(outer.rest().is_empty());
    }

    #[test]
    fn what_is_cut_off_or_of_another_type_is_none() {
        assert!(Ber::new(&[0x30, 0x05, 0x02, 0x01]).sequence().is_none());
        assert!(Ber::new(&[0x30, 0x80, 0x02, 0x01, 0x05]).sequence().is_none(), "no end mark");
        assert!(Ber::new(&[0x02, 0x01, 0xff]).unsigned().is_none(), "negative");
        assert!(Ber::new(&[0x04, 0x00]).sequence().is_none());
        assert!(Ber::new(&[0xff; 64]).next().is_none());
    }

    #[test]
    fn deep_nesting_is_given_up() {
        let deep = |levels: usize| [[0x30, 0x80].repeat(levels), [0, 0].repeat(levels)].concat();
        assert!(Ber::new(&deep(49)).next().is_some());
        // All that a file can be: the stack of a thread takes less.
        assert!(Ber::new(&deep(1 << 20)).next().is_none());
    }
}
