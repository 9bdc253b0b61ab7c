//! Reads the certificates beside a signature, or without one (RFC 5652 section 5): `.p7b`, `.p7c`. The signature says nothing of
//! them and isn't looked at. Pure.

use x509_parser::asn1_rs::{Oid, oid};

use super::ber::Ber;

/// `id-signedData`.
const SIGNED_DATA: Oid<'_> = oid!(1.2.840.113549.1.7.2);

/// What such a file is.
pub(super) enum Message<'a> {
    /// Its certificates, each from its first byte to its last.
    Signed(Vec<&'a [u8]>),
    /// Of another kind, such as encrypted.
    Other,
}

/// Reads `file`; nothing where it is no `ContentInfo` or damaged.
pub(super) fn read(file: &[u8]) -> Option<Message<'_>> {
    let mut info = Ber::new(file).sequence()?;
    if info.oid()? != SIGNED_DATA {
        return Some(Message::Other);
    }
    let mut signed = info.tagged(0)?.sequence()?;
    let _version = signed.unsigned()?;
    let _algorithms = signed.set()?;
    let _content = signed.sequence()?;
    let Some(mut set) = signed.tagged(0) else { return Some(Message::Signed(Vec::new())) };
    let mut certificates = Vec::new();
    while !set.rest().is_empty() {
        let value = set.next()?;
        // Other kinds of certificate (section 10.2.2) are tagged.
        if value.is_sequence() {
            certificates.push(value.whole);
        }
    }
    Some(Message::Signed(certificates))
}
