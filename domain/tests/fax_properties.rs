//! What holds for any number and any setting: an address comes out that can be read strictly, or none does.

use domain::address::{AddrSpec, Mailbox, Strictness};
use domain::fax::{Country, FaxNumber, FaxPrefix, FaxSettings, FaxTemplate, OwnTemplate, recipient};
use domain::host::Host;
use proptest::prelude::*;

/// Pieces of numbers, and of what breaks them.
fn number() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "+", "0", "00", "(0)", "49", "39", "1", "7", "8", "80", "06", "011", "30", "123456", "555", " ", "-", "/", ".", "(", ")", "\u{a0}", "\u{2011}",
            "tel:", "fax:", ";phone-context=", "+49", ";ext=7", ";", "=", "%2B", "%", "@", "@fax.example", ",", "<", ">", "\"", "\r\n", "\0", "٣",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(|c| c.to_string()),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn template() -> impl Strategy<Value = FaxTemplate> {
    let piece = prop::sample::select(vec![
        "{number}",
        "{e164}",
        "{",
        "}",
        "fax",
        "FAX=",
        "@",
        "@fax.example",
        ".",
        "\"",
        "\\",
        "(",
        ")",
        " ",
        "é",
        "[",
        "]",
        ",",
        "<",
        ">",
        "\r\n",
        "+",
        "/",
    ]);
    let own = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![
        Just(FaxTemplate::Rfc3192),
        Just(FaxTemplate::NumberAtDomain),
        // Most are none: then the usual one.
        own.prop_map(|text| OwnTemplate::parse(&text).map(FaxTemplate::Own).unwrap_or_default()),
    ]
}

fn settings() -> impl Strategy<Value = FaxSettings> {
    let long = format!("{}.example", vec!["a".repeat(58); 4].join("."));
    let domain = prop::sample::select(vec![
        "fax.example",
        "fax_1",
        "192.0.2.1",
        "2001:db8::1",
        "::ffff:1.2.3.4",
        "xn--bcher-kva.example",
        "bücher.example",
    ])
    .prop_map(str::to_owned);
    let domain = prop_oneof![5 => domain, 1 => Just(long), 1 => Just(String::new())];
    let country = prop::sample::select(vec!["", "DE", "IT", "US", "RU", "BY", "HU", "BR", "SG", "ES"]);
    (template(), domain, "[0-9*#pwPW]{0,16}", country).prop_map(|(template, domain, prefix, country)| FaxSettings {
        template,
        domain: Host::parse(&domain).ok(),
        prefix: FaxPrefix::parse(&prefix).unwrap_or_default(),
        country: Country::parse(country).ok(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_address_can_be_read_strictly_and_is_the_same_on_the_wire(number in "\\+[1-9][0-9]{5,14}", settings in settings()) {
        let Ok(number) = FaxNumber::parse(&number, None) else { return Ok(()) };
        match settings.address(&number) {
            Ok(address) => {
                let addr = address.addr().expect("it has a domain");
                for text in [address.to_string(), addr.to_wire()] {
                    prop_assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
                    let read = Mailbox::parse(&text, Strictness::Strict);
                    prop_assert_eq!(read.as_ref().ok().and_then(|read| read.addr()).map(AddrSpec::to_wire), Some(addr.to_wire()), "{}", text);
                }
                prop_assert!(addr.to_wire().contains(number.digits()), "{}", addr.to_wire());
            }
            // What a check lets pass is passed for every number.
            Err(error) => prop_assert!(settings.check().is_err(), "{error}"),
        }
    }

    #[test]
    fn any_text_is_a_number_an_address_or_a_sentence(text in number(), settings in settings()) {
        check(&text, &settings)?;
    }

    #[test]
    fn any_text_at_all(text in any::<String>(), settings in settings()) {
        check(&text, &settings)?;
    }
}

fn check(text: &str, settings: &FaxSettings) -> Result<(), TestCaseError> {
    if let Ok(number) = FaxNumber::parse(text, settings.country) {
        let shown = number.to_string();
        prop_assert!(
            shown.len() <= 16 && shown.starts_with('+') && shown[1..].bytes().all(|byte| byte.is_ascii_digit()),
            "{shown}"
        );
        prop_assert_eq!(FaxNumber::parse(&shown, None), Ok(number));
    }
    match recipient(text, settings) {
        Ok(mailbox) => {
            prop_assert!(Mailbox::parse(&mailbox.to_string(), Strictness::Strict).is_ok_and(|read| read.addr().is_some()));
        }
        Err(error) => {
            let sentence = error.sentence();
            prop_assert!(sentence.ends_with('.') && !sentence.contains(char::is_control) && sentence.len() < 400, "{sentence:?}");
        }
    }
    Ok(())
}
