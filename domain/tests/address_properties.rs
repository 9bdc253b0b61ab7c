//! What holds for any text.

#[path = "address_properties/check.rs"]
mod check;

use domain::address::{AddressList, Strictness, Wanted, suggest};
use proptest::prelude::*;

use check::check;

use Strictness::{Lenient, Strict};

/// Texts that look like addresses: pieces of the grammar, and of what breaks it, in any order.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "a", "b.c", "jo", "Doe", "x.org", "example.org", "@", "@", "@x.org", "a@x.org", "<", ">", "<a@x.org>", ",", ", ", ";", ":", ".", "..", " ", "\t",
            "\"", "\"a b\"", "\"\\\"\"", "\\", "(", ")", "(c)", "((c) d)", "[", "]", "[192.0.2.1]", "[IPv6:::1]", "T: ", "-", "_", "mailto:", "<@r:a@x.org>",
            "\r\n ", "\r\n", "\n", "\0", "é", "bücher", "日本", "\u{200b}", "\u{202e}", "\u{378}", "＠", "”", "“", "，", "・", "?", "\u{a0}", "。", "xn--bcher-kva", "ß", "İ", "=?utf-8?q?=C3=A9?=",
            "=?", "?=", "\u{fe0f}", "❤", "e\u{301}", "gmial.com",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(|c| c.to_string()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holds_for_what_looks_like_addresses(text in text()) {
        check(&text);
    }

    #[test]
    fn holds_for_any_text(text in any::<String>()) {
        check(&text);
    }
}

/// Nesting, repetition and unclosed things cost a fixed effort an octet; deep nesting needs no stack.
#[test]
fn holds_for_long_monotonous_texts() {
    for piece in [
        "(",
        "(a",
        "()",
        "\"",
        "\"\"",
        "\\",
        "<",
        ">",
        "@",
        "a@",
        "a,",
        "a, ",
        ",",
        ";",
        ":",
        "a:",
        "T:;",
        "[",
        ".",
        "a.",
        " ",
        "\r\n ",
        "ü",
        "ü,",
        "a@ü・",
        "“",
        "“a” <",
        "=?",
        "a@b,",
        "<a@b>,",
        "\"a\" ",
        "\u{378}",
    ] {
        let text = piece.repeat(60 * 1024 / piece.len());
        for strictness in [Strict, Lenient] {
            let _ = AddressList::validate(&text, strictness);
            let _ = AddressList::parse(&format!("{text}<a@b>"), strictness);
            let _ = suggest(&text, strictness, Wanted::List);
            let _ = suggest(&text, strictness, Wanted::One);
        }
    }
}
