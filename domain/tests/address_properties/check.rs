//! What holds for any text; proptest and the fuzzer run the same.

use domain::address::{AddrSpec, AddressList, Domain, Mailbox, Strictness, Wanted, suggest};
use domain::idn;

use Strictness::{Lenient, Strict};

/// One line, and nothing in it that could end it or change its direction.
fn is_clean(line: &str) -> bool {
    !line.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    })
}

fn flat(list: &AddressList) -> Vec<(&str, Option<&str>)> {
    list.mailboxes().map(|mailbox| (mailbox.local(), mailbox.domain().map(Domain::as_str))).collect()
}

/// All of it, for one text.
pub(crate) fn check(text: &str) {
    for strictness in [Strict, Lenient] {
        let list = AddressList::parse(text, strictness);
        assert_eq!(list.as_ref().err(), AddressList::validate(text, strictness).as_ref().err());
        if let Err(error) = &list {
            assert!(text.is_char_boundary(error.offset));
            assert_eq!(text[..error.offset].chars().count(), error.char_offset);
            assert!(is_clean(&error.sentence()));
        }
        if let Ok(list) = &list {
            // Reading what was written is the identity.
            let display = list.to_string();
            assert!(is_clean(&display));
            assert_eq!(AddressList::parse(&display, Lenient).as_ref(), Ok(list), "{display:?}");
            if let Ok(header) = list.to_header() {
                assert!(is_clean(&header));
                let again = AddressList::parse(&header, Lenient).expect("what was written");
                assert_eq!(again.to_header().as_ref(), Ok(&header));
                assert_eq!(
                    again.mailboxes().map(Mailbox::name).collect::<Vec<_>>(),
                    list.mailboxes().map(Mailbox::name).collect::<Vec<_>>()
                );
            }
            for mailbox in list.mailboxes() {
                assert_eq!(Mailbox::parse(&mailbox.to_string(), Lenient).as_ref(), Ok(mailbox));
                let Some(addr) = mailbox.addr() else { continue };
                let wire = addr.to_wire();
                assert!(is_clean(&wire) && wire.len() <= 320);
                assert_eq!(AddrSpec::parse(&addr.to_string(), Lenient).as_ref(), Ok(addr));
                assert_eq!(AddrSpec::parse(&wire, Lenient).map(|addr| addr.to_wire()).as_ref(), Ok(&wire));
                if strictness == Strict {
                    assert_eq!(AddrSpec::parse(&wire, Strict).map(|addr| addr.to_wire()).as_ref(), Ok(&wire));
                    assert_eq!(Mailbox::parse(&mailbox.to_string(), Strict).as_ref(), Ok(mailbox));
                }
            }
        }
        let mailbox = Mailbox::parse(text, strictness);
        assert_eq!(mailbox.as_ref().err(), Mailbox::validate(text, strictness).as_ref().err());
        let addr = AddrSpec::parse(text, strictness);
        assert_eq!(addr.as_ref().err(), AddrSpec::validate(text, strictness).as_ref().err());
        if let Ok(addr) = &addr {
            assert_eq!(mailbox.as_ref().ok().and_then(Mailbox::addr), Some(addr), "an addr-spec is a mailbox");
        }
        if let Ok(mailbox) = &mailbox {
            let list = list.expect("a mailbox is a list of one");
            assert_eq!(list.mailboxes().collect::<Vec<_>>(), [mailbox]);
        }
        for wanted in [Wanted::One, Wanted::List] {
            // A fix is read, reaches all that is in it, drops no address and makes none up.
            if let Some(fix) = suggest(text, strictness, wanted) {
                assert_ne!(fix.replacement, text);
                assert_eq!(wanted.validate(&fix.replacement, strictness), Ok(()));
                let fixed = AddressList::parse(&fix.replacement, strictness).expect("what was suggested");
                assert!(fixed.mailboxes().next().is_some() && fixed.mailboxes().all(|mailbox| mailbox.addr().is_some()));
                let before =
                    AddressList::parse(text, strictness).map_or(0, |list| list.mailboxes().filter(|m| m.addr().is_some()).count());
                let after = fixed.mailboxes().count();
                assert!(after >= before && after <= text.matches(['@', '＠', '﹫']).count(), "{text:?} {fix:?}");
            }
            let verdict = wanted.validate(text, strictness);
            if let Err(error) = verdict {
                let _ = (error.may_be_unfinished(text, strictness, wanted), error.spot(text));
            }
        }
    }
    // Strict is within lenient, and reads the same.
    if let Ok(strict) = AddressList::parse(text, Strict) {
        let lenient = AddressList::parse(text, Lenient).expect("strict is within lenient");
        assert_eq!(flat(&strict), flat(&lenient));
    }
    if let Ok(host) = idn::host_to_ascii(text) {
        assert_eq!(idn::host_to_ascii(&host).as_ref(), Ok(&host));
        assert!(host.is_ascii() || cfg!(not(feature = "idna")));
        assert!(!host.bytes().any(|octet| octet.is_ascii_control() || matches!(octet, b' ' | b'@' | b'/' | b':' | b'_')));
    }
}
