//! What is read, what is refused and where, as tables.

use domain::address::{AddrSpec, AddressList, Mailbox, Strictness};

use Strictness::{Lenient, Strict};

/// The mailboxes as `name|local|domain`, a missing part empty.
fn read(input: &str, strictness: Strictness) -> Result<Vec<String>, String> {
    assert_eq!(
        AddressList::parse(input, strictness).err(),
        AddressList::validate(input, strictness).err(),
        "reading and checking differ: {input:?}"
    );
    let list = AddressList::parse(input, strictness).map_err(|error| format!("{}@{}", error.kind_name(), error.char_offset))?;
    Ok(list
        .mailboxes()
        .map(|mailbox| {
            let domain = mailbox.domain().map(|domain| domain.to_string()).unwrap_or_default();
            format!("{}|{}|{domain}", mailbox.name().unwrap_or_default(), mailbox.local())
        })
        .collect())
}

#[track_caller]
fn check(input: &str, strictness: Strictness, expected: &[&str]) {
    assert_eq!(
        read(input, strictness).as_deref(),
        Ok(expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice()),
        "{input:?}"
    );
}

#[track_caller]
fn refuse(input: &str, strictness: Strictness, expected: &str) {
    assert_eq!(read(input, strictness), Err(expected.to_owned()), "{input:?}");
}

#[test]
fn both_read_what_may_be_generated() {
    for (input, expected) in [
        ("a@example.org", &["|a|example.org"][..]),
        ("<a@example.org>", &["|a|example.org"]),
        ("Jo Doe <jo@example.org>", &["Jo Doe|jo|example.org"]),
        ("\"Doe, Jo\" <jo@example.org>", &["Doe, Jo|jo|example.org"]),
        ("\"J. \\\"X\\\" Doe\" <jo@example.org>", &["J. \"X\" Doe|jo|example.org"]),
        ("Jo (comment, with \\) (nested)) Doe <jo@example.org>", &["Jo Doe|jo|example.org"]),
        ("\"a b\"@example.org", &["|a b|example.org"]),
        ("\"a@b\"@example.org", &["|a@b|example.org"]),
        ("\"\"@example.org", &["||example.org"]),
        ("a@[192.0.2.1]", &["|a|[192.0.2.1]"]),
        ("a@[IPv6:2001:db8::1]", &["|a|[IPv6:2001:db8::1]"]),
        ("a@[ipv6:::ffff:192.0.2.1]", &["|a|[ipv6:::ffff:192.0.2.1]"]),
        ("a@localhost", &["|a|localhost"]),
        ("a@192.0.2.1", &["|a|192.0.2.1"]),
        ("jürg@example.org", &["|jürg|example.org"]),
        ("a@bücher.example", &["|a|bücher.example"]),
        ("Jürg ❤\u{fe0f} <a@example.org>", &["Jürg ❤\u{fe0f}|a|example.org"]),
        ("a@x.org, b@x.org", &["|a|x.org", "|b|x.org"]),
        ("Team: a@x.org, Jo <b@x.org>;", &["|a|x.org", "Jo|b|x.org"]),
        ("c@x.org, Team: a@x.org;, d@x.org", &["|c|x.org", "|a|x.org", "|d|x.org"]),
        ("Nobody:;", &[]),
        ("Nobody: (none yet) ;", &[]),
        ("\"A: b, c\": a@x.org;", &["|a|x.org"]),
        ("\r\n a@x.org", &["|a|x.org"]),
        ("Jo\r\n Doe <a@x.org>\r\n\t", &["Jo Doe|a|x.org"]),
        ("\"Jo\r\n Doe\" <a@x.org>", &["Jo Doe|a|x.org"]),
        ("=?utf-8?q?J=C3=BCrg?= =?ISO-8859-1?B?/A==?= X <a@x.org>", &["Jürgü X|a|x.org"]),
        ("=?windows-1252?q?=80=84Jo=93?= =?iso-8859-15?q?_=A4=BC=E9?= <a@x.org>", &["€„Jo“ €Œé|a|x.org"]),
        ("\u{a0}\u{202f}\u{3000} <a@x.org>", &["|a|x.org"]),
        ("#\u{fe0f}\u{20e3} 葛 <a@x.org>", &["#\u{fe0f}\u{20e3} 葛|a|x.org"]),
    ] {
        check(input, Strict, expected);
        if !input.contains('(') {
            check(input, Lenient, expected);
        }
    }
}

#[test]
fn an_encoded_word_with_controls_is_not_decoded() {
    check("=?utf-8?q?=0D=0ABcc?= <a@x.org>", Strict, &["=?utf-8?q?=0D=0ABcc?=|a|x.org"]);
    check("=?utf-8?q?=E2=80=AE?= <a@x.org>", Strict, &["=?utf-8?q?=E2=80=AE?=|a|x.org"]);
    check("=?utf-8?q?=EF=B8=8F?= <a@x.org>", Strict, &["=?utf-8?q?=EF=B8=8F?=|a|x.org"]);
    check("=?windows-1252?q?=81?= <a@x.org>", Strict, &["=?windows-1252?q?=81?=|a|x.org"]);
}

/// Each is what `InternetAddress.parseHeader(…, false)` of `JavaMail` 2.0.0 reads out of it, less quotes and white space
/// that mean nothing; the exceptions say so.
#[test]
fn lenient_reads_what_real_mail_has() {
    for (input, expected) in [
        // Obsolete syntax.
        ("a . b @ x . org", &["|a.b|x.org"][..]),
        ("\"a\".b@x.org", &["|a.b|x.org"]),
        ("a.\"b c\"@x.org", &["|a.b c|x.org"]),
        ("<@r1,@r2:a@x.org>", &["|a|x.org"]), // JavaMail keeps the route
        ("Jo <@r1:a@x.org>", &["Jo|a|x.org"]),
        ("Jo <@r1,,@r2:a@x.org>", &["Jo|a|x.org"]),
        (",a@x.org,,b@x.org,", &["|a|x.org", "|b|x.org"]),
        ("T:,a@x.org,,b@x.org,;", &["|a|x.org", "|b|x.org"]),
        ("T:,,;", &[]),
        ("\r\n \r\n a@x.org", &["|a|x.org"]),
        // Dots in the local part.
        (".a@x.org", &["|.a|x.org"]),
        ("a.@x.org", &["|a.|x.org"]),
        ("a..b@x.org", &["|a..b|x.org"]),
        ("...@x.org", &["|...|x.org"]),
        ("Jo <a..@x.org>", &["Jo|a..|x.org"]),
        // Display names.
        ("J. Doe <j@x.org>", &["J. Doe|j|x.org"]),
        ("Dr. J.R. Doe <j@x.org>", &["Dr. J.R. Doe|j|x.org"]),
        (".Doe <j@x.org>", &[".Doe|j|x.org"]),
        ("Team A.: a@x.org;", &["|a|x.org"]),
        ("Doe, John <j@x.org>", &["Doe, John|j|x.org"]), // JavaMail splits at the comma; the angle bracket says better
        ("a@x.org, Doe, John <j@x.org>, b", &["|a|x.org", "Doe, John|j|x.org", "|b|"]),
        ("T: a@x.org, Doe, J. <j@x.org>;", &["|a|x.org", "Doe, J.|j|x.org"]),
        ("root, <a@x.org>", &["|root|", "|a|x.org"]),
        ("a,, J. Doe <j@x.org>", &["|a|", "J. Doe|j|x.org"]),
        ("a, (c), b, J. (d) <j@x.org>", &["|a|", "b, J.|j|x.org"]),
        // Names in comments.
        ("a@x.org (John Doe)", &["John Doe|a|x.org"]),
        ("(John Doe) a@x.org (other)", &["John Doe|a|x.org"]),
        ("Jo <a@x.org> (other)", &["Jo|a|x.org"]),
        ("a@x.org (=?utf-8?q?J=C3=BCrg?= =?utf-8?q?_M=2E?= x)", &["Jürg M. x|a|x.org"]),
        ("a@x.org (), b@x.org (B), c@x.org", &["|a|x.org", "B|b|x.org", "|c|x.org"]),
        // Separators.
        ("a@x.org; b@x.org", &["|a|x.org", "|b|x.org"]),
        ("a@x.org,b@x.org;c@x.org;", &["|a|x.org", "|b|x.org", "|c|x.org"]),
        (";;a@x.org", &["|a|x.org"]),
        ("T: a@x.org; b@x.org;", &["|a|x.org", "|b|x.org"]),
        ("T: a@x.org; (c) U: b@x.org;", &["|a|x.org", "|b|x.org"]),
        // Links.
        ("mailto:a@x.org", &["|a|x.org"]),
        ("MailTo: Jo <a@x.org>, mailto:b@x.org", &["Jo|a|x.org", "|b|x.org"]),
        ("mailto:a@x.org; b@x.org", &["|a|x.org", "|b|x.org"]),
        ("mailto:a@x.org;", &["|a|x.org"]),
        ("Jo <mailto:a@x.org>", &["Jo|a|x.org"]), // JavaMail keeps the prefix
        // Bare local names.
        ("postmaster", &["|postmaster|"]),
        ("Jo <postmaster>", &["Jo|postmaster|"]),
        ("root, \"a b\", c.d", &["|root|", "|a b|", "|c.d|"]),
        ("T: root;", &["|root|"]),
        // Domains.
        ("a@_dmarc.x_y.org", &["|a|_dmarc.x_y.org"]),
        ("a@-x-.org", &["|a|-x-.org"]),
    ] {
        check(input, Lenient, expected);
        assert!(input.contains('(') || read(input, Strict).is_err(), "strictly: {input:?}");
    }
}

#[test]
fn both_refuse_with_the_place() {
    for (input, expected) in [
        ("", "empty@0"),
        ("  ", "empty@2"),
        ("(only a comment)", "empty@16"),
        ("@x.org", "empty_local_part@0"),
        ("<@x.org>", "empty_local_part@1"),
        ("a@", "empty_domain@2"),
        ("a@ ", "empty_domain@3"),
        ("Jo <a@>", "empty_domain@6"),
        ("Jo <>", "empty_angle@4"),
        ("<,:a@x.org>", "unexpected_character@2"),
        ("a@x..org", "domain_double_dot@4"),
        ("a@.org", "domain_starts_with_dot@2"),
        ("a@x.org.", "domain_ends_with_dot@7"),
        ("Jürg <a@x.org.>", "domain_ends_with_dot@13"),
        ("a@b@x.org", "two_ats@3"),
        ("a@@x.org", "two_ats@2"),
        ("\"a@x.org", "unclosed_quote@0"),
        ("\"a\\\"@x.org", "unclosed_quote@0"),
        ("\"a\\", "unclosed_quote@0"),
        ("Jo \"Doe <a@x.org>", "unclosed_quote@3"),
        ("a@x.org (b(c)", "unclosed_comment@8"),
        ("Jo <a@x.org", "unclosed_angle@3"),
        ("Jo <a@x.org, b@x.org", "unclosed_angle@3"),
        ("a@[192.0.2.1", "unclosed_literal@2"),
        ("Team: a@x.org", "unclosed_group@4"),
        ("T: U: a@x.org;;", "nested_group@4"),
        ("<a@x.org> <b@x.org>", "missing_separator@10"),
        ("Jo <a@x.org> Al <b@x.org>", "missing_separator@13"),
        ("a@x.org b@x.org", "missing_separator@8"),
        ("a@x.org>", "unexpected_character@7"),
        ("a@x.org Jo", "unexpected_character@8"),
        ("a b@x.org", "space_in_local_part@1"),
        ("\"a\"b@x.org", "partly_quoted@3"),
        ("a\"b\"@x.org", "partly_quoted@1"),
        ("a)b@x.org", "unexpected_character@1"),
        ("a@x/y.org", "unexpected_character@3"),
        ("a@[192.0.2.256]", "unknown_literal@3"),
        ("a@[192.0.2]", "unknown_literal@3"),
        ("a@[192.0.2.1.]", "unknown_literal@3"),
        ("a@[ 192.0.2.1]", "unknown_literal@3"),
        ("a@[x:y]", "unknown_literal@3"),
        ("a@[IPv6:1:2:3:4:5:6:7:8:9]", "unknown_literal@3"),
        ("a@[IPv6:1::2::3]", "unknown_literal@3"),
        ("a@[IPv6:12345::]", "unknown_literal@3"),
        ("john@home <j@x.org>", "name_needs_quotes@4"),
        ("Jo [x] <j@x.org>", "unexpected_character@3"),
        ("a\0b@x.org", "control@1"),
        ("a@x\0.org", "control@3"),
        ("\"a\x07\"@x.org", "control@2"),
        ("\"a\\\x07\"@x.org", "control@3"),
        ("(\x1b) a@x.org", "control@1"),
        ("a\u{85}b@x.org", "control@1"),
        ("Jo\u{2028} <a@x.org>", "control@2"),
        ("a@x.org\r\nRCPT TO:<b@x.org>", "line_break@7"),
        ("a@x.org\r\n", "line_break@7"),
        ("a\n@x.org", "line_break@1"),
        ("\"a\r\nb\"@x.org", "line_break@2"),
        ("\"a\\\r\n b\"@x.org", "line_break@3"),
        ("Jo\n <a@x.org>", "line_break@2"),
        ("\r a@x.org", "line_break@0"),
        ("Jo \u{202e}eoJ <a@x.org>", "unseen_character@3"),
        ("a\u{200b}b@x.org", "unseen_character@1"),
        ("a@x\u{200d}y.org", "unseen_character@3"),
        ("\u{feff}a@x.org", "unseen_character@0"),
        ("(\u{2066}) a@x.org", "unseen_character@1"),
        ("a\u{378}@x.org", "unassigned_character@1"),
        ("Jo \u{1fffe} <a@x.org>", "unassigned_character@3"),
        ("\"\\é\"@x.org", "quoted_pair@1"),
        ("a＠x.org", "look_alike@1"),
        ("a\u{a0}@x.org", "look_alike@1"),
        // Between two names that can be seen, a variation selector is one; anywhere else it only hides something.
        ("Jo \u{fe0f} <a@x.org>", "unseen_character@3"),
        ("❤\u{fe0f}\u{fe0f} <a@x.org>", "unseen_character@2"),
        ("\"\u{fe0f}\" <a@x.org>", "unseen_character@1"),
        ("Jo\u{fe00} <a@x.org>", "unseen_character@2"),
        ("葛\u{e0100} <a@x.org>", "unseen_character@1"),
        // Groups, routes and brackets.
        (":;", "group_without_name@0"),
        (">", "unexpected_character@0"),
        ("<", "unclosed_angle@0"),
        ("a@x.org,<", "unclosed_angle@8"),
        ("<@", "empty_domain@2"),
        ("<@a,", "unclosed_angle@0"),
        ("<,a@x.org>", "empty_element@1"),
        ("<@a,b:c@x.org>", "route@1"),
        ("<a@x.org d@x.org>", "unexpected_character@9"),
    ] {
        refuse(input, Strict, expected);
        refuse(input, Lenient, expected);
    }
}

#[test]
fn strict_refuses_what_must_not_be_generated() {
    for (input, expected) in [
        ("postmaster", "missing_at@10"),
        ("a@x.org, postmaster", "missing_at@19"),
        ("a,b@x.org", "unexpected_character@1"),
        (".a@x.org", "local_part_starts_with_dot@0"),
        ("a.@x.org", "local_part_ends_with_dot@1"),
        ("a..b@x.org", "local_part_double_dot@2"),
        ("a @x.org", "space_beside_at@1"),
        ("a@ x.org", "space_beside_at@2"),
        ("a(c)@x.org", "space_beside_at@1"),
        ("a .b@x.org", "space_in_local_part@1"),
        ("a@x .org", "space_in_domain@3"),
        ("a@x. org", "space_in_domain@4"),
        ("\"a\".b@x.org", "partly_quoted@3"),
        ("a@x_y.org", "underscore@3"),
        ("a@-x.org", "hyphen_at_edge@2"),
        ("a@x-.org", "hyphen_at_edge@3"),
        ("J. Doe <a@x.org>", "dot_in_name@1"),
        ("Doe, Jo <a@x.org>", "name_needs_quotes@3"),
        ("<@r:a@x.org>", "route@1"),
        ("mailto:a@x.org", "mailto@0"),
        ("a@x.org,", "empty_element@7"),
        (",a@x.org", "empty_element@0"),
        ("a@x.org,,b@x.org", "empty_element@8"),
        ("T: a@x.org,;", "empty_element@10"),
        ("a@x.org; b@x.org", "semicolon@7"),
        ("T:; a@x.org", "missing_separator@4"),
        ("T: a@x.org; <b@x.org>", "missing_separator@12"),
        ("T:a@x.org; U:b@x.org;", "missing_separator@11"),
        ("<,@a,,@b,:c@x.org>", "route@1"),
        ("\r\n \r\n a@x.org", "repeated_fold@3"),
    ] {
        refuse(input, Strict, expected);
        assert!(read(input, Lenient).is_ok() || input == "a,b@x.org", "leniently: {input:?}");
    }
}

#[test]
fn limits_hold_in_both() {
    let local = |n| format!("{}@x.org", "a".repeat(n));
    let labels = |n: usize| format!("a@{}", [&"b".repeat(n), "org"].join("."));
    let long = |n: usize| format!("a@{}{}", "b.".repeat(n), "c");
    for strictness in [Strict, Lenient] {
        check(&local(64), strictness, &[&format!("|{}|x.org", "a".repeat(64))]);
        refuse(&local(65), strictness, "local_part_too_long@0");
        refuse(&format!("Jo <{}>", local(65)), strictness, "local_part_too_long@4");
        assert!(read(&labels(63), strictness).is_ok());
        refuse(&labels(64), strictness, "label_too_long@2");
        assert!(read(&long(125), strictness).is_ok());
        refuse(&long(126), strictness, "address_too_long@0");
        refuse(&long(128), strictness, "domain_too_long@2");
        refuse(&"a@x.org, ".repeat(8192), strictness, "input_too_long@65536");
    }
    // A fold in quotes is not sent.
    let folded = |n| format!("\"{}\r\n b\"@x.org", "a".repeat(n));
    assert!(read(&folded(60), Strict).is_ok());
    refuse(&folded(61), Strict, "local_part_too_long@0");
    // In quotes, as it would be sent, this is two octets longer.
    check(&format!("{}@x.org", ".".repeat(62)), Lenient, &[&format!("|{}|x.org", ".".repeat(62))]);
    refuse(&format!("{}@x.org", ".".repeat(63)), Lenient, "local_part_too_long@0");
    // U-labels count as A-labels, where these are known.
    let label = "ü".repeat(60);
    let too_long = Err("label_too_long@4".to_owned());
    assert_eq!(read(&format!("a@x.{label}.org"), Strict).map(drop), if cfg!(feature = "idna") { too_long } else { Ok(()) });
}

/// Each would be sent as part of an A-label (RFC 5892 has none of them), and is a slip or a trap.
#[test]
fn punctuation_and_symbols_are_no_part_of_a_domain() {
    for strictness in [Strict, Lenient] {
        for c in "”“’‘»«–—…→、€≠☃・™¹½×÷©§⑴※〜！：𝟏😀؟¿".chars() {
            refuse(&format!("jo@example.com{c}"), strictness, "unexpected_character@14");
            refuse(&format!("“jo@ex{c}ample.com”"), strictness, "unexpected_character@6");
        }
        for domain in ["col·lecció.cat", "テスト・例え.jp", "ｅｘ.example", "bücher.example", "l’été.fr"] {
            assert_eq!(read(&format!("a@{domain}"), strictness).is_ok(), !domain.contains('’'), "{domain}");
        }
        for (input, expected) in [
            ("a@192。0。2。1", "look_alike@5"),
            ("a@x．org", "look_alike@3"),
            ("a@x｡org", "look_alike@3"),
            ("a@example.com。", "look_alike@13"),
            ("a@b。。c", "look_alike@3"),
            ("a@b.c，d@e.f", "look_alike@5"),
            ("a@b.c；d@e.f", "look_alike@5"),
            ("Jo <a@b.c>，d@e.f", "look_alike@10"),
        ] {
            refuse(input, strictness, expected);
        }
        if cfg!(feature = "idna") {
            refuse("a@ü.xn--zz", strictness, "invalid_idn@4");
            refuse("a@x.\u{301}a.org", strictness, "invalid_idn@4");
        }
    }
}

#[test]
fn a_sender_is_exactly_one_mailbox() {
    for strictness in [Strict, Lenient] {
        let refuse = |input: &str, expected: &str| {
            let error = Mailbox::parse(input, strictness).expect_err(input);
            assert_eq!(format!("{}@{}", error.kind_name(), error.char_offset), expected, "{input:?}");
            assert_eq!(Mailbox::validate(input, strictness), Err(error), "{input:?}");
        };
        refuse("", "empty@0");
        refuse("a@x.org, b@x.org", "more_than_one@9");
        refuse("a@x.org,", "trailing_separator@7");
        refuse(",<a@x.org>", "empty_element@0");
        refuse("a@x.org;", "trailing_separator@7");
        refuse("a@x.org b@x.org", "more_than_one@8");
        refuse("a@x.org Team: b@x.org;", "more_than_one@8");
        refuse("a,b@x.org", "unexpected_character@1");
        refuse("Team: a@x.org;", "group_not_allowed@4");
        refuse("<a@x.org> <b@x.org>", "more_than_one@10");
        assert_eq!(Mailbox::parse("Jo <a@x.org>", strictness).map(|mailbox| mailbox.to_string()).as_deref(), Ok("Jo <a@x.org>"));
    }
    assert_eq!(
        Mailbox::parse("Doe, Jo <a@x.org>", Lenient).map(|mailbox| mailbox.to_string()).as_deref(),
        Ok("\"Doe, Jo\" <a@x.org>")
    );
}

#[test]
fn an_addr_spec_has_no_name_and_a_domain() {
    for (input, expected) in [
        ("postmaster", "missing_at@10"),
        ("Jo <a@x.org>", "unexpected_character@3"),
        ("a@x.org, b@x.org", "unexpected_character@7"),
    ] {
        for strictness in [Strict, Lenient] {
            let error = AddrSpec::parse(input, strictness).expect_err(input);
            assert_eq!(format!("{}@{}", error.kind_name(), error.char_offset), expected, "{input:?}");
        }
    }
}

/// Offsets are octets for programs and characters for people.
#[test]
fn an_error_points_at_the_character() {
    let error = Mailbox::parse("Jürgen Müller <jürgen@x..org>", Strict).expect_err("two dots");
    assert_eq!((error.offset, error.char_offset), (27, 24));
    assert_eq!(
        serde_json::to_value(&error).expect("JSON"),
        serde_json::json!({"kind": "domain_double_dot", "offset": 27, "char_offset": 24})
    );
    assert_eq!(error.sentence(), "Two dots follow each other in the domain; remove one");

    let error = Mailbox::parse("a,b@x.org", Strict).expect_err("a comma");
    assert_eq!(error.sentence(), "A comma can't stand in the local part; put it in quotes: \"a,b\"@example.com");
    assert_eq!(
        serde_json::to_value(&error).expect("JSON"),
        serde_json::json!({"kind": "unexpected_character", "found": ",", "place": "local_part", "offset": 1, "char_offset": 1})
    );
    assert_eq!(
        serde_json::from_value::<domain::address::AddressError>(serde_json::to_value(&error).expect("JSON")).expect("the error"),
        error
    );
}
