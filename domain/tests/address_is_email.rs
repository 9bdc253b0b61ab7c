//! The `is_email` suite: strict reading accepts exactly its valid categories.

use std::collections::BTreeMap;

use domain::address::{AddrSpec, AddressList, Mailbox, Strictness};

/// The categories that strict reading accepts.
const VALID: [&str; 4] = ["VALID_CATEGORY", "DNSWARN", "RFC5321", "CFWS"];

struct Case {
    id: String,
    address: String,
    category: String,
}

#[test]
#[expect(clippy::print_stdout, reason = "the report by category")]
fn strict_reading_accepts_exactly_the_valid_categories() {
    let mut report = BTreeMap::<String, [usize; 2]>::new();
    let mut wrong = Vec::new();
    for Case { id, address, category } in cases() {
        let mailbox = Mailbox::parse(&address, Strictness::Strict);
        let accepted = mailbox.is_ok();
        assert_eq!(accepted, AddrSpec::validate(&address, Strictness::Strict).is_ok(), "{id} as addr-spec");
        assert_eq!(accepted, AddressList::validate(&address, Strictness::Strict).is_ok(), "{id} in a list");
        report.entry(category.clone()).or_default()[usize::from(accepted)] += 1;
        if accepted != VALID.contains(&category.as_str()) {
            wrong.push(format!("{id} ({category}): {address:?} → {mailbox:?}"));
        }
    }
    println!("{:<16} accepted  refused", "category");
    for (category, [refused, accepted]) in &report {
        println!("{category:<16} {accepted:>8} {refused:>8}");
    }
    let [refused, accepted] = report.values().fold([0, 0], |sum, row| [sum[0] + row[0], sum[1] + row[1]]);
    println!("{:<16} {accepted:>8} {refused:>8}", "total");
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((accepted, refused), (49, 115));
}

/// Whatever strict reading accepts, lenient reading accepts; and what either accepts is refused by none of the other faces.
#[test]
fn lenient_reading_accepts_what_strict_reading_accepts() {
    for Case { id, address, .. } in cases() {
        if let Ok(strict) = AddrSpec::parse(&address, Strictness::Strict) {
            assert_eq!(AddrSpec::parse(&address, Strictness::Lenient), Ok(strict), "{id}");
        }
    }
}

/// The file is regular enough to be read without a parser for XML.
fn cases() -> Vec<Case> {
    let file = include_str!("data/is_email.xml");
    let field = |test: &str, name: &str| {
        let inner = test.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inner.map(|(text, _)| unescape(text)).unwrap_or_default()
    };
    let body = file.split_once("<tests version").expect("the tests").1;
    let cases: Vec<_> = body
        .split("<test id=\"")
        .skip(1)
        .map(|test| Case {
            id: test.split('"').next().unwrap_or_default().to_owned(),
            address: field(test, "address"),
            category: field(test, "category").trim_start_matches("ISEMAIL_").to_owned(),
        })
        .collect();
    assert_eq!(cases.len(), 164);
    cases
}

/// XML entities; and U+2400 and the following stand for controls, as the notes in the file say.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').expect("the end of the entity");
        out.push_str(before);
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            hex => u32::from_str_radix(hex.trim_start_matches("#x"), 16).ok().and_then(char::from_u32).expect("a character"),
        });
        rest = after;
    }
    out.push_str(rest);
    let control = |c: char| match u32::from(c) {
        code @ 0x2400..=0x2421 => char::from_u32(if code == 0x2421 { 0x7f } else { code - 0x2400 }).unwrap_or(c),
        _ => c,
    };
    out.chars().map(control).collect()
}
