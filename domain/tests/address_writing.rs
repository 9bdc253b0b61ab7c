//! What is written: on the wire, in headers, for people; and what is suggested.

use domain::address::{AddrSpec, AddressList, Domain, FixKind, Mailbox, Strictness, Wanted, suggest};

use Strictness::{Lenient, Strict};
use Wanted::{List, One};

#[test]
fn the_wire_gets_a_mailbox_of_rfc_5321() {
    for (input, wire) in [
        ("a@example.org", "a@example.org"),
        (" (c) A.b@Example.org (d)", "A.b@Example.org"),
        ("\"test\"@example.org", "test@example.org"),
        ("\"a b\"@example.org", "\"a b\"@example.org"),
        ("\"\\a\\\"\\\\\"@example.org", "\"a\\\"\\\\\"@example.org"),
        ("\"\"@example.org", "\"\"@example.org"),
        ("\"a\r\n\tb\"@example.org", "\"a b\"@example.org"),
        ("a . \"b\" . c@example . org", "a.b.c@example.org"),
        ("a.@example.org", "\"a.\"@example.org"),
        ("..@example.org", "\"..\"@example.org"),
        ("jürg@example.org", "jürg@example.org"),
        ("a@[IPv6:::1]", "a@[IPv6:::1]"),
        ("mailto:a@example.org", "a@example.org"),
    ] {
        let mailbox = Mailbox::parse(input, Lenient).expect(input);
        assert_eq!(mailbox.require_addr().map(AddrSpec::to_wire).as_deref(), Ok(wire), "{input:?}");
        assert_eq!(mailbox.needs_smtputf8(), input.contains('ü'), "{input:?}");
    }
}

#[test]
fn a_bare_name_never_goes_to_the_wire_or_into_a_header() {
    let mailbox = Mailbox::parse("Jo <post master>", Lenient);
    assert!(mailbox.is_err());
    let mailbox = Mailbox::parse("postmaster", Lenient).expect("a bare name");
    assert_eq!((mailbox.addr(), mailbox.domain(), mailbox.local()), (None, None, "postmaster"));
    assert_eq!(mailbox.to_header().map_err(|bare| bare.local).unwrap_err(), "postmaster");
    let list = AddressList::parse("a@x.org, T: postmaster;", Lenient).expect("a list");
    let error = list.to_header().unwrap_err();
    assert_eq!(error.to_string(), "“postmaster” has no domain; write the whole address, such as postmaster@example.com");
}

#[test]
fn a_header_is_ascii_with_encoded_words() {
    for (input, header) in [
        ("a@example.org", "a@example.org"),
        ("Jo Doe <a@example.org>", "Jo Doe <a@example.org>"),
        ("J. Doe <a@example.org>", "\"J. Doe\" <a@example.org>"),
        ("Doe, \"Jo \\\"X\\\"\" <a@example.org>", "\"Doe, Jo \\\"X\\\"\" <a@example.org>"),
        ("Jürg <a@example.org>", "=?UTF-8?Q?J=C3=BCrg?= <a@example.org>"),
        ("日本 <a@example.org>", "=?UTF-8?B?5pel5pys?= <a@example.org>"),
        ("\"=?x?=\" <a@example.org>", "\"=?x?=\" <a@example.org>"),
        ("Têam: a@x.org, Jo <b@x.org>;, c@x.org", "=?UTF-8?Q?T=C3=AAam?=: a@x.org, Jo <b@x.org>;, c@x.org"),
        ("Nobody:;", "Nobody:;"),
    ] {
        let list = AddressList::parse(input, Lenient).expect(input);
        assert_eq!(list.to_header().as_deref(), Ok(header), "{input:?}");
    }
    let long = format!("{} <a@example.org>", "äöü日本語 ".repeat(40).trim());
    let header = Mailbox::parse(&long, Strict).expect("a long name").to_header().expect("an address");
    assert!(header.split(' ').all(|word| word.len() <= 75), "{header}");
    assert_eq!(Mailbox::parse(&header, Strict).expect("read again").to_string(), long);
}

#[test]
fn a_domain_tells_what_is_odd_about_it() {
    let flags = |domain: Domain<'_>| [domain.is_single_label(), domain.is_numeric(), domain.is_literal(), domain.is_idn()];
    for (input, expected) in [
        ("a@example.org", [false, false, false, false]),
        ("a@localhost", [true, false, false, false]),
        ("a@192.0.2.1", [false, true, false, false]),
        ("a@42", [true, true, false, false]),
        ("a@[192.0.2.1]", [false, false, true, false]),
        ("a@bücher.example", [false, false, false, true]),
        ("a@XN--bcher-kva.example", [false, false, false, true]),
    ] {
        assert_eq!(flags(AddrSpec::parse(input, Strict).expect(input).domain()), expected, "{input:?}");
    }
}

#[test]
fn values_travel_as_text() {
    let list: AddressList = "Jo <a@x.org>, T: b@x.org;".parse().expect("a list");
    let json = serde_json::to_string(&list).expect("JSON");
    assert_eq!(json, "\"Jo <a@x.org>, T: b@x.org;\"");
    assert_eq!(serde_json::from_str::<AddressList>(&json).expect("the list"), list);
    assert!(serde_json::from_str::<Mailbox>("\"a@x.org\\r\\nX: y\"").is_err());
    assert!("a..b@x.org".parse::<AddrSpec>().is_err());
}

#[test]
fn slips_get_a_fix() {
    use FixKind::*;
    for (input, replacement, what) in [
        ("a@example.org.", "a@example.org", Dots),
        ("a@example..org", "a@example.org", Dots),
        ("a@.example.org", "a@example.org", Dots),
        (".a@example.org", "a@example.org", Dots),
        ("a.@example.org", "a@example.org", Dots),
        ("a@example.org,", "a@example.org", Commas),
        ("a@example.org;", "a@example.org", Semicolon),
        ("a@x.org,, b@x.org", "a@x.org, b@x.org", Commas),
        ("a @example.org", "a@example.org", Spaces),
        ("a@ example.org", "a@example.org", Spaces),
        ("a@example .org", "a@example.org", Spaces),
        ("a@exam ple.org", "a@example.org", Spaces),
        ("a@example.org\n", "a@example.org", Spaces),
        ("a\n@example.org", "a@example.org", Spaces),
        ("\na@example.org", "a@example.org", Spaces),
        ("a\u{a0}@example.org", "a@example.org", Spaces),
        ("a\u{200b}@example.org", "a@example.org", Hidden),
        ("a\0@example.org", "a@example.org", Hidden),
        ("a\u{fe0f}@example.org", "a@example.org", Hidden),
        ("\u{a0}a@example.org", "a@example.org", Spaces),
        ("mailto:a@example.org", "a@example.org", Mailto),
        ("mailto:a@example.org?subject=x%20y", "a@example.org", Mailto),
        ("mailto:a@example.org?subject=Hi, there", "a@example.org", Mailto),
        ("<mailto:a@example.org?subject=Hi, there>", "<a@example.org>", Mailto),
        ("a@example,org", "a@example.org", CommaForDot),
        ("a@mail,example,org", "a@mail.example.org", CommaForDot),
        ("a,b@example.org", "a.b@example.org", CommaForDot),
        ("b@x.org, a@example,org", "b@x.org, a@example.org", CommaForDot),
        ("a＠example.org", "a@example.org", AtSign),
        ("a@@example.org", "a@example.org", SecondAt),
        ("Jo <a@example.org", "Jo <a@example.org>", Close),
        ("Team: a@x.org, b@x.org", "Team: a@x.org, b@x.org;", Close),
        ("a@example。org", "a@example.org", Dot),
        ("a@x.org，b@x.org", "a@x.org,b@x.org", Separator),
        ("a@x.org；b@x.org", "a@x.org,b@x.org", Separator),
        ("a@example，org", "a@example.org", Several),
        ("a@example.org。", "a@example.org", Several),
        ("“a@example.org”", "a@example.org", StrayMarks),
        ("<“a@example.org”>, b@x.org", "<a@example.org>, b@x.org", StrayMarks),
        ("a@example.org”", "a@example.org", StrayMarks),
        ("a@example.org’, b@x.org", "a@example.org, b@x.org", StrayMarks),
        ("Jo ‘a@example.org’", "Jo <a@example.org>", Several),
        ("b@x.org, “Jo “X” Doe” <a@x.org>", "b@x.org, \"Jo “X” Doe\" <a@x.org>", QuotationMarks),
        ("„Das Team“: a@x.org;", "\"Das Team\": a@x.org;", QuotationMarks),
        ("“Doe, Jo” <a@example.org>", "\"Doe, Jo\" <a@example.org>", QuotationMarks),
        ("„Jo“ <a@example.org>", "\"Jo\" <a@example.org>", QuotationMarks),
        ("J. Doe <a@example.org>", "\"J. Doe\" <a@example.org>", QuoteName),
        ("J. Doe «x» <a@example.org>", "\"J. Doe «x»\" <a@example.org>", QuoteName),
        ("Jo O”Brien. <a@example.org>", "\"Jo O”Brien.\" <a@example.org>", QuoteName),
        ("J. \"X, Y\" Doe <a@example.org>", "\"J. X, Y Doe\" <a@example.org>", QuoteName),
        ("J. (the (real) boss) Doe <a@example.org>", "\"J. Doe\" (the (real) boss) <a@example.org>", QuoteName),
        ("J. =?utf-8?q?M=C3=BCller?= <a@example.org>", "\"J. Müller\" <a@example.org>", QuoteName),
        ("Doe\\, J <a@example.org>", "\"Doe\\\\, J\" <a@example.org>", QuoteName),
        ("G. H: Jo <a@x.org>, b@x.org;", "\"G. H\": Jo <a@x.org>, b@x.org;", QuoteName),
        ("Team [x]: a@x.org;", "\"Team [x]\": a@x.org;", QuoteName),
        ("b@x.org, J. Doe <a@example.org>", "b@x.org, \"J. Doe\" <a@example.org>", QuoteName),
        ("Doe, Jo <a@example.org>", "\"Doe, Jo\" <a@example.org>", QuoteName),
        ("Jo [x] <a@example.org>", "\"Jo [x]\" <a@example.org>", QuoteName),
        ("jo@home <a@example.org>", "\"jo@home\" <a@example.org>", QuoteName),
        ("team sales@example.org", "team <sales@example.org>", AngleBrackets),
        ("max mustermann max@example.org", "max mustermann <max@example.org>", AngleBrackets),
        ("J. Doe a@example.org", "\"J. Doe\" <a@example.org>", Several),
        ("Jörg\u{a0}a@example.org", "Jörg <a@example.org>", Several),
        ("Jo Doe\r\n<a@example.org>", "Jo Doe <a@example.org>", Spaces),
        ("Jo Doe a@example.org, b@x.org", "Jo Doe <a@example.org>, b@x.org", AngleBrackets),
        ("a@x.org b@x.org", "a@x.org, b@x.org", Separator),
        ("a@x.org\nb@x.org\r\nc@x.org\n", "a@x.org, b@x.org, c@x.org", Several),
        ("a@x.org; b@x.org", "a@x.org, b@x.org", Separator),
        ("mailto:a＠example.org.", "a@example.org", Several),
        ("a@gmial.com", "a@gmail.com", Provider),
        ("Jo <a@Gmal.com>, b@x.org", "Jo <a@gmail.com>, b@x.org", Provider),
        ("a@hotmial.com", "a@hotmail.com", Provider),
        ("\"b@gmial.com\" <b@gmial.com>", "\"b@gmial.com\" <b@gmail.com>", Provider),
        ("a@gmal.community.org, b@gmal.com", "a@gmal.community.org, b@gmail.com", Provider),
        ("(b@gmal.com) b@gmal.com", "(b@gmal.com) b@gmail.com", Provider),
    ] {
        let fix = suggest(input, Strict, List).unwrap_or_else(|| panic!("no fix for {input:?}"));
        assert_eq!((fix.replacement.as_str(), fix.what), (replacement, what), "{input:?}");
        assert!(AddressList::validate(replacement, Strict).is_ok());
    }
    // Leniently, the comma makes an address and a bare name of it: it is read, and suggested all the same.
    for (input, replacement, what) in [
        ("a@example,org", "a@example.org", CommaForDot),
        ("“jo@example.com”", "jo@example.com", StrayMarks),
        ("mailto:a@example.org?subject=x", "mailto:a@example.org", Query),
        ("Jo Doe\r\n<a@example.org>", "Jo Doe <a@example.org>", Spaces),
        ("Jörg\u{a0}a@example.org", "Jörg <a@example.org>", Several),
        ("Team [x]: a@x.org;", "\"Team [x]\": a@x.org;", QuoteName),
    ] {
        let fix = suggest(input, Lenient, List).unwrap_or_else(|| panic!("no fix for {input:?}"));
        assert_eq!((fix.replacement.as_str(), fix.what), (replacement, what), "{input:?}");
    }
}

#[test]
fn a_single_address_is_put_right_to_a_single_one() {
    use FixKind::*;
    for strictness in [Strict, Lenient] {
        for (input, replacement, what) in [
            ("a@example.org,", "a@example.org", Commas),
            ("a@example.org;", "a@example.org", Semicolon),
            ("a@example,org", "a@example.org", CommaForDot),
            ("a@mail,example,org", "a@mail.example.org", CommaForDot),
            ("Jo <a@gmal.com>", "Jo <a@gmail.com>", Provider),
        ] {
            let fix = suggest(input, strictness, One).unwrap_or_else(|| panic!("no fix for {input:?}"));
            assert_eq!((fix.replacement.as_str(), fix.what), (replacement, what), "{input:?}");
        }
        for input in ["a@x.org b@x.org", "a@x.org, b@x.org", "a@x.org\nb@x.org", "T: a@x.org;", "a@example,b@x.org"] {
            assert_eq!(suggest(input, strictness, One), None, "{input:?}");
        }
    }
}

/// Each once got a fix that changed what was meant, made up or dropped somebody, or could not be mailed to.
#[test]
fn no_fix_is_better_than_a_wrong_one() {
    for strictness in [Strict, Lenient] {
        for input in [
            "\"Firma „Huber“\" <a@x.org>",
            "Jo «Jojo» Doe <a@x.org>",
            "\"„x“ <y>\" <a@x.org>",
            "“jo”@x.org",
            "mailto:jo@example.com?subject=Hi, there&cc=x@y.z",
            "jo@example.com\u{a0}Sales",
            "jo@localhost Sales",
            "jo@example com",
            "jo@example.com,jane",
            "a@x.org,b,c@y.org",
            "Jo Doe",
            "jo doe",
            ":;",
            "Nobody.:;",
            "a@live.con",
            "a@x.org (",
            "a(at)example.org",
        ] {
            assert_eq!(suggest(input, strictness, List), None, "{strictness:?} {input:?}");
        }
    }
}

#[test]
fn what_is_right_gets_none() {
    assert_eq!(suggest("-v@a,t.o <t@e>", Strictness::Lenient, Wanted::List), None, "two are reached, one would be");
    assert_eq!(suggest("$v@0,v <t@e> ", Strictness::Lenient, Wanted::One), None, "the first would become a name");
    for input in [
        "a@example.org",
        "a@gmail.com",
        "a@mail.com",
        "a@ymail.com",
        "Jo <a@x.org>, T: b@x.org;",
        "",
        "a",
        "@",
        "a@b@c",
        "a@x_y.org",
    ] {
        assert_eq!(suggest(input, Strict, List), None, "{input:?}");
    }
    for input in ["postmaster", "root, admin", "J. Doe <a@x.org>", "a@x.org; b@x.org"] {
        assert_eq!(suggest(input, Lenient, List), None, "{input:?}");
    }
}

/// A sentence starts with a capital letter, has no full stop at the end, and fits on two lines.
#[test]
fn sentences_are_sentences() {
    for input in [
        "",
        "a",
        "a@",
        "@b",
        "a,b@c",
        "a@b@c",
        "a b@c",
        "a@b c",
        "a@b..c",
        "a@-b",
        "a@b_c",
        "a@[x]",
        "a\0@b",
        "a\n@b",
        "a\u{200b}@b",
        "<",
        "<>",
        "\"",
        "(",
        "T:",
        "T:U:",
        "J. D <a@b>",
        "a;b@c",
        "a@b;",
        "a@b,",
        "mailto:a@b",
        "<@a:b@c>",
        "a＠b",
        "a\u{378}@b",
        "\"\\é\"@b",
        "a)@b",
        "a@b)c",
        "a@b>",
        "ü[@b",
        ":;",
        ">",
        "a@b。c",
        "a@b，c",
        "a@b；c",
        "a@b”",
        "a@b \"Jo\"",
        "<a@b c>",
        "<@a,b:c@d>",
        "a(at)b.c",
        "a@b(c).d",
    ] {
        let sentence = AddressList::parse(input, Strict).expect_err(input).sentence();
        assert!(
            sentence.starts_with(char::is_uppercase) && !sentence.ends_with('.') && sentence.len() <= 130,
            "{input:?}: {sentence}"
        );
    }
}
