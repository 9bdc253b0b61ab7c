//! Internationalised names: the same syntax with the tables and without, so that the two never contradict each other.

use domain::address::{AddrSpec, Strictness};
use domain::idn::{self, IdnError};

#[test]
fn a_host_is_made_of_ldh_labels_or_u_labels() {
    for (host, expected) in [
        ("mail.example.com", Ok("mail.example.com")),
        ("Mail.Example.COM.", Ok("mail.example.com")),
        ("localhost", Ok("localhost")),
        ("xn--bcher-kva.example", Ok("xn--bcher-kva.example")),
        ("", Err(IdnError::Empty)),
        (".", Err(IdnError::Empty)),
        ("a..b", Err(IdnError::EmptyLabel)),
        (".a", Err(IdnError::EmptyLabel)),
        ("a..", Err(IdnError::EmptyLabel)),
        ("a b", Err(IdnError::Character(' '))),
        ("a_b", Err(IdnError::Character('_'))),
        ("https://a", Err(IdnError::Character(':'))),
        ("a:25", Err(IdnError::Character(':'))),
        ("a\r\nb", Err(IdnError::Character('\r'))),
        ("a\u{200b}b", Err(IdnError::Character('\u{200b}'))),
        ("a\u{378}b", Err(IdnError::Character('\u{378}'))),
        ("-a.b", Err(IdnError::HyphenAtEdge)),
        ("a-.b", Err(IdnError::HyphenAtEdge)),
        ("192.0.2.256", Err(IdnError::NumericLastLabel)),
    ] {
        assert_eq!(idn::host_to_ascii(host).as_deref(), expected.as_ref().map(|host| &**host), "{host:?}");
    }
    assert_eq!(idn::host_to_ascii(&"a".repeat(64)), Err(IdnError::LabelTooLong));
    assert_eq!(idn::host_to_ascii(&"a.".repeat(127)), Err(IdnError::NumericLastLabel).or(Ok("a.".repeat(126) + "a")));
    assert_eq!(idn::host_to_ascii(&("a.".repeat(127) + "b")), Err(IdnError::TooLong));
    for error in [IdnError::Empty, IdnError::Character('_'), IdnError::Character('!'), IdnError::Character('\0'), IdnError::Idna] {
        assert!(error.to_string().starts_with(char::is_uppercase));
    }
}

/// What is refused without the tables is refused with them: here are both verdicts, in one table for both builds.
#[test]
fn the_tables_only_refuse_more() {
    for (domain, without, with) in [
        ("bücher.example", Ok("bücher.example"), Ok("xn--bcher-kva.example")),
        ("BÜCHER.example", Ok("BÜCHER.example"), Ok("xn--bcher-kva.example")),
        ("faß.de", Ok("faß.de"), Ok("xn--fa-hia.de")),
        ("例え.テスト", Ok("例え.テスト"), Ok("xn--r8jz45g.xn--zckzah")),
        ("テスト・例え", Ok("テスト・例え"), Ok("xn--r8jvmjbj9wq09n")),
        ("e\u{301}.example", Ok("e\u{301}.example"), Ok("xn--9ca.example")),
        ("ｅｘ.example", Ok("ｅｘ.example"), Ok("ex.example")),
        // Only the tables know.
        ("\u{301}a.example", Ok("\u{301}a.example"), Err("invalid_idn")),
        ("אa.example", Ok("אa.example"), Err("invalid_idn")),
        ("xn--\u{fc}.example", Ok("xn--\u{fc}.example"), Err("invalid_idn")),
        // Both know.
        ("例え。テスト", Err("look_alike"), Err("look_alike")),
        ("a。", Err("look_alike"), Err("look_alike")),
        ("⑴.example", Err("unexpected_character"), Err("unexpected_character")),
        ("☃.example", Err("unexpected_character"), Err("unexpected_character")),
        ("a・b.example", Err("unexpected_character"), Err("unexpected_character")),
        ("bü\u{200d}cher.example", Err("unseen_character"), Err("unseen_character")),
        ("-bücher.example", Err("hyphen_at_edge"), Err("hyphen_at_edge")),
        ("bü_cher.example", Err("underscore"), Err("underscore")),
        ("bü cher.example", Err("unexpected_character"), Err("unexpected_character")),
        ("bücher..example", Err("domain_double_dot"), Err("domain_double_dot")),
        ("a\u{378}.example", Err("unassigned_character"), Err("unassigned_character")),
    ] {
        assert!(without.is_ok() || with.is_err(), "a contradiction: {domain}");
        let expected = if cfg!(feature = "idna") { with } else { without };
        let found = AddrSpec::parse(&format!("a@{domain}"), Strictness::Strict);
        let found = found.as_ref().map(|addr| addr.domain().ascii()).map_err(domain::address::AddressError::kind_name);
        assert_eq!(found, expected, "{domain:?}");
        assert_eq!(idn::host_to_ascii(domain).is_ok(), expected.is_ok(), "{domain:?} as a host");
    }
}

#[test]
#[cfg(feature = "idna")]
fn an_idn_has_both_its_forms() {
    for input in ["a@Bücher.example", "a@xn--bcher-kva.example"] {
        let addr = AddrSpec::parse(input, Strictness::Strict).expect(input);
        assert_eq!(addr.domain().ascii(), "xn--bcher-kva.example");
        assert_eq!(addr.domain().unicode(), "bücher.example");
        assert_eq!(addr.to_wire(), "a@xn--bcher-kva.example");
        assert!(addr.domain().is_idn() && !addr.needs_smtputf8());
        assert_eq!(addr.to_string(), input);
    }
    // What goes out decides: full-width letters are letters, full-width digits are digits.
    let domain = |text| AddrSpec::parse(text, Strictness::Strict).expect(text);
    assert!(!domain("a@ｅｘ.example").domain().is_idn());
    assert!(domain("a@１.２.３.４").domain().is_numeric());
    // A label that only pretends stays as it is.
    assert_eq!(idn::to_unicode("xn--a.example"), "xn--a.example");
    // Leniently, a hyphen and an underscore may be anywhere here, too.
    assert_eq!(AddrSpec::parse("a@_bü-.example", Strictness::Lenient).expect("a domain").domain().ascii(), "xn--_b--ioa.example");
    // The limits are those of the A-label.
    assert!(AddrSpec::parse(&format!("a@{}.org", "ü".repeat(50)), Strictness::Strict).is_ok());
    assert!(AddrSpec::parse(&format!("a@{}.org", "ü".repeat(60)), Strictness::Strict).is_err());
}

/// The page shows what the browser finds: where the two could differ, neither finds anything.
#[test]
fn the_other_form_is_that_of_a_host_name() {
    let other = |domain: &str| idn::other_form(domain, |domain| Some(domain.replace("bücher", "xn--bcher-kva").replace('１', "1")));
    assert_eq!(other("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
    assert_eq!(other("xn--bcher-kva.example").as_deref(), Some("bücher.example"));
    for domain in ["example.org", "bücher_x.de", "-bücher.de", "bücher。de", "１.１", "xn--n3h.net", "[192.0.2.1]", ""] {
        assert_eq!(other(domain), None, "{domain:?}");
    }
}
