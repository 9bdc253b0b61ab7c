//! The check of a draft, as tables: what is typed, what it becomes.

use super::*;
use crate::field::{Field, FieldError, FieldErrors};
use crate::link::Language;
use crate::secret::{Secret, SecretChange};

/// A draft that is right, to be changed by a test.
fn draft() -> ServerDraft {
    let mut draft = ServerDraft::new("mail");
    draft.host = "mail.example.com".into();
    draft
}

fn password(text: &str) -> PasswordDraft {
    PasswordDraft { password: Secret::new(text.into()), confirm: Secret::new(text.into()), remove: false }
}

/// The draft after `change`, without a password.
fn check(change: impl FnOnce(&mut ServerDraft)) -> Result<Checked, FieldErrors> {
    let mut draft = draft();
    change(&mut draft);
    draft.check(&PasswordDraft::default())
}

fn wrong_fields(result: Result<Checked, FieldErrors>) -> Vec<Field> {
    result.err().map(|errors| errors.iter().map(|(field, _)| field).collect()).unwrap_or_default()
}

#[test]
fn an_untouched_draft_has_the_defaults_of_the_table() {
    let checked = check(|_| ()).unwrap();
    let server = checked.server;
    assert_eq!(server.protocol, Protocol::Smtp { starttls: StartTls::Disabled, allow_plaintext_credentials: false });
    assert_eq!((server.port, server.timeout_ms, server.kind), (25, 10_000, Kind::Smtp));
    assert_eq!((server.sign_in, server.sender, server.mime_address_strict), (SignIn::None, None, true));
    let attachments =
        Attachments { as_url: false, threshold: Size::from_bytes(10_485_760), link_days: 30, link_language: Language::English };
    assert_eq!(server.attachments, attachments);
    assert!(!checked.default);
}

#[test]
fn every_problem_is_reported_at_once() {
    let result = check(|d| {
        d.name = "a b".into();
        d.kind = "pigeon".into();
        d.host = "https://mail.example.com/".into();
        d.port = "0".into();
        d.timeout_ms = "99".into();
        d.starttls = "maybe".into();
        d.azure_oauth = true;
        d.azure_application_id = "1234".into();
        d.azure_tenant = "common".into();
        d.override_sender = true;
        d.attachment_threshold = "much".into();
        d.attachment_as_url = true;
        d.link_days = "366".into();
        d.link_language = "tlh".into();
    });
    assert_eq!(
        wrong_fields(result),
        [
            Field::Name,
            Field::Kind,
            Field::Host,
            Field::Port,
            Field::Timeout,
            Field::StartTls,
            Field::Username,
            Field::AzureApplicationId,
            Field::AzureTenant,
            Field::Sender,
            Field::AttachmentThreshold,
            Field::LinkDays,
            Field::LinkLanguage,
        ]
    );
}

#[test]
fn each_field_has_its_limits() {
    for (field, text, right) in [
        (Field::Port, "1", true),
        (Field::Port, " 65535 ", true),
        (Field::Port, "65536", false),
        (Field::Port, "-1", false),
        (Field::Port, "25a", false),
        (Field::Port, "99999999999999999999999", false),
        (Field::Timeout, "100", true),
        (Field::Timeout, "600000", true),
        (Field::Timeout, "600001", false),
        (Field::Timeout, "", false),
        (Field::Timeout, "1e4", false),
        (Field::Host, "", false),
        (Field::Host, " mail.example.com. ", true),
        (Field::Host, "[2001:db8::1]", true),
        (Field::Host, "2001:db8::1", true),
        (Field::Host, "127.0.0.1", true),
        (Field::Host, "300.0.0.1", false),
        (Field::Host, "mail.example.com:25", false),
        (Field::Host, "scan@example.com", false),
        (Field::Host, "a..b", false),
        (Field::Host, "-a.b", false),
        (Field::Host, "mail example.com", false),
        (Field::Host, "mail\0.example.com", false),
        (Field::Host, "bücher.example", true),
        (Field::Username, &"u".repeat(320), true),
        (Field::Username, &"u".repeat(321), false),
        (Field::Username, "a\r\nRSET", false),
        (Field::Username, "a\u{1}b", false),
        (Field::Sender, "Scan <scan@example.com>", true),
        (Field::Sender, "scan", false),
        (Field::Sender, "a@example.com, b@example.com", false),
        (Field::Sender, "a@example.com\r\nBcc: b@example.com", false),
    ] {
        let wrong = wrong_fields(check(|d| d.set_text(field, text.to_owned())));
        assert_eq!(wrong.is_empty(), right, "{field:?} {text:?}: {wrong:?}");
        assert!(right || wrong == [field], "{field:?} {text:?}: {wrong:?}");
    }
}

#[test]
fn an_empty_port_is_the_protocols() {
    assert_eq!(check(|d| d.port.clear()).unwrap().server.port, 25);
    let smtps = check(|d| {
        d.port.clear();
        d.protocol = "smtps".into();
    });
    assert_eq!(smtps.unwrap().server.port, 465);
}

#[test]
fn the_port_follows_the_protocol_until_somebody_typed_one() {
    let mut draft = draft();
    draft.choose_protocol("smtps");
    assert_eq!(draft.port, "465");
    draft.choose_protocol("smtp");
    assert_eq!(draft.port, "25");
    draft.port = "2525".into();
    draft.choose_protocol("smtps");
    assert_eq!(draft.port, "2525");
}

#[test]
fn starttls_and_its_permission_are_not_stored_where_they_mean_nothing() {
    let smtps = check(|d| {
        d.choose_protocol("smtps");
        d.starttls = "nonsense".into();
        d.username = "u".into();
        d.allow_plaintext_credentials = true;
    });
    assert_eq!(smtps.unwrap().server.protocol, Protocol::Smtps);
    for (starttls, username, kept) in
        [("disabled", "u", true), ("enabled", "u", true), ("enabled_and_required", "u", false), ("disabled", "", false)]
    {
        let server = check(|d| {
            d.starttls = starttls.into();
            d.username = username.into();
            d.allow_plaintext_credentials = true;
        });
        assert_eq!(server.unwrap().server.protocol.allows_plaintext_credentials(), kept, "{starttls} {username:?}");
    }
}

#[test]
fn a_password_is_kept_replaced_or_removed() {
    let mut draft = draft();
    let change = |draft: &ServerDraft, password: &PasswordDraft| draft.check(password).map(|c| c.password);
    assert_eq!(change(&draft, &PasswordDraft::default()), Ok(SecretChange::Clear), "without an account none is kept");
    assert_eq!(wrong_fields(draft.check(&password("secret"))), [Field::Username]);
    draft.username = "u".into();
    assert_eq!(change(&draft, &PasswordDraft::default()), Ok(SecretChange::Keep));
    assert_eq!(change(&draft, &PasswordDraft { remove: true, ..PasswordDraft::default() }), Ok(SecretChange::Clear));
    assert_eq!(change(&draft, &password("secret")), Ok(SecretChange::Set(Secret::new("secret".into()))));
    draft.azure_oauth = true;
    draft.azure_application_id = "11111111-2222-3333-4444-555555555555".into();
    assert_eq!(
        change(&draft, &password("secret")),
        Ok(SecretChange::Set(Secret::new("secret".into()))),
        "the token is fetched with it"
    );
}

#[test]
fn passwords_that_differ_or_can_not_travel_are_refused() {
    let mut draft = draft();
    draft.username = "u".into();
    for (password, field, error) in [
        (
            PasswordDraft { password: Secret::new("a".into()), confirm: Secret::new("b".into()), remove: false },
            Field::PasswordConfirm,
            FieldError::PasswordsDiffer,
        ),
        (
            PasswordDraft { password: Secret::default(), confirm: Secret::new("b".into()), remove: false },
            Field::PasswordConfirm,
            FieldError::PasswordsDiffer,
        ),
        (PasswordDraft { remove: true, ..password("a") }, Field::Password, FieldError::PasswordSetAndRemoved),
        (password("a\0b"), Field::Password, FieldError::Control { character: '\0' }),
        (password(&"p".repeat(1025)), Field::Password, FieldError::TooLong { length: 1025, max: 1024 }),
    ] {
        let errors = draft.check(&password).unwrap_err();
        assert_eq!(errors.get(field), Some(&error));
    }
}

#[test]
fn azure_needs_an_account_an_application_and_no_shared_tenant() {
    for (tenant, stored) in [
        ("", None),
        ("Example.com", Some("example.com")),
        ("organizations", Some("organizations")),
        ("11111111-2222-3333-4444-55555555AAAA", Some("11111111-2222-3333-4444-55555555aaaa")),
    ] {
        let checked = check(|d| {
            d.username = "scan@example.com".into();
            d.azure_oauth = true;
            d.azure_application_id = " 11111111-2222-3333-4444-555555555555 ".into();
            d.azure_tenant = tenant.into();
        });
        assert_eq!(checked.unwrap().server.oauth().unwrap().tenant.as_deref(), stored);
    }
    for tenant in ["common", "Consumers", "example", "a/b", "..", "x@y.z", "10.0.0.1"] {
        let wrong = wrong_fields(check(|d| {
            d.username = "u".into();
            d.azure_oauth = true;
            d.azure_application_id = "11111111-2222-3333-4444-555555555555".into();
            d.azure_tenant = tenant.into();
        }));
        assert_eq!(wrong, [Field::AzureTenant], "{tenant}");
    }
}

/// An entry with Azure OAuth, changed by `change`.
fn azure(change: impl FnOnce(&mut ServerDraft)) -> Result<Checked, FieldErrors> {
    check(|d| {
        d.username = "scan@example.com".into();
        d.azure_oauth = true;
        d.azure_application_id = "11111111-2222-3333-4444-555555555555".into();
        change(d);
    })
}

#[test]
fn each_strategy_has_the_fields_that_mean_something_to_it() {
    use Field::{AzureMailbox, AzureSecretExpires, AzureSignInUrl, AzureTenant};
    let applies = |strategy: &str, provider: &str| {
        let mut draft = ServerDraft::new("mail");
        (draft.azure_oauth, draft.azure_strategy, draft.azure_provider) = (true, strategy.into(), provider.into());
        [AzureTenant, AzureSecretExpires, AzureSignInUrl, AzureMailbox].map(|field| draft.applies(field))
    };
    assert_eq!(applies("password", "microsoft"), [true, false, false, true]);
    assert_eq!(applies("client_credentials", "microsoft"), [true, true, false, false]);
    assert_eq!(applies("client_certificate", "microsoft"), [true, false, false, false]);
    assert_eq!(applies("authorization_code", "google"), [false, true, false, true]);
    assert_eq!(applies("device_code", "other"), [false, true, true, true]);
    let stored = azure(|d| {
        d.azure_mailbox = "team@example.com".into();
        d.azure_sign_in_url = "not an address".into();
        d.azure_strategy = "client_credentials".into();
        d.azure_secret_expires = "2027-02-28".into();
    });
    let server = stored.unwrap().server;
    let oauth = server.oauth().unwrap();
    assert_eq!((&oauth.mailbox, &oauth.sign_in_url), (&None, &None), "what doesn't apply isn't stored");
    assert_eq!((oauth.secret_expires.as_deref(), server.identity()), (Some("2027-02-28"), Some("scan@example.com")));
    let shared = azure(|d| d.azure_mailbox = "Team <team@example.com>".into()).unwrap().server;
    assert_eq!((shared.identity(), shared.username()), (Some("team@example.com"), Some("scan@example.com")));
}

#[test]
fn what_is_wrong_with_a_sign_in_service_is_named() {
    for (change, field) in [
        ((|d| d.azure_authority = "http://login.example.com".into()) as fn(&mut ServerDraft), Field::AzureAuthority),
        (|d| d.azure_scope = "a \u{201c}b".into(), Field::AzureScope),
        (|d| d.azure_mailbox = "team".into(), Field::AzureMailbox),
        (|d| d.azure_mailbox = "a@x.org, b@x.org".into(), Field::AzureMailbox),
        (|d| d.azure_strategy = "magic".into(), Field::AzureStrategy),
        (|d| d.azure_provider = "magic".into(), Field::AzureProvider),
        (|d| d.azure_provider = "google".into(), Field::AzureStrategy),
        (|d| d.azure_provider = "other".into(), Field::AzureAuthority),
        (
            |d| (d.azure_strategy, d.azure_secret_expires) = ("client_credentials".into(), "31.1.2027".into()),
            Field::AzureSecretExpires,
        ),
        (|d| (d.azure_strategy, d.azure_secret_expires) = ("device_code".into(), "2027-02-29".into()), Field::AzureSecretExpires),
        (|d| d.azure_application_id = "abc".into(), Field::AzureApplicationId),
    ] {
        assert_eq!(wrong_fields(azure(change)), [field]);
    }
    let other = azure(|d| {
        d.azure_provider = "other".into();
        d.azure_strategy = "authorization_code".into();
        d.azure_application_id = "postroom".into();
        d.azure_authority = "https://sso.example.com/token".into();
    });
    assert_eq!(wrong_fields(other), [Field::AzureSignInUrl]);
}

#[test]
fn what_an_earlier_version_kept_of_azure_reads_the_same_and_stays_so() {
    let kept = r#"{"azure_oauth":{"username":"u","application_id":"a","tenant":null}}"#;
    let sign_in: SignIn = serde_json::from_str(kept).unwrap();
    assert_eq!(serde_json::to_string(&sign_in).unwrap(), kept, "fingerprints are made of this");
}

#[test]
fn a_secret_stays_with_its_service_and_application() {
    let server = |change: fn(&mut ServerDraft)| azure(change).unwrap().server;
    let secret = server(|d| d.azure_strategy = "client_credentials".into());
    assert!(secret.shares_password_with(&server(|d| {
        d.azure_strategy = "client_credentials".into();
        d.azure_secret_expires = "2027-01-01".into();
    })));
    let device = |at: &str| {
        let mut draft = draft();
        draft.username = "scan@example.com".into();
        draft.azure_oauth = true;
        draft.azure_application_id = "postroom".into();
        draft.azure_provider = "other".into();
        draft.azure_strategy = "device_code".into();
        draft.azure_authority = "https://sso.example.com/token".into();
        draft.azure_sign_in_url = at.into();
        draft.check(&PasswordDraft::default()).unwrap().server
    };
    assert!(device("https://sso.example.com/d").shares_password_with(&device("https://sso.example.com/d")));
    assert!(!device("https://sso.example.com/d").shares_password_with(&device("https://evil.example/d")), "it would be sent there");
    for other in [
        server(|d| d.azure_strategy = "password".into()),
        server(|d| {
            d.azure_strategy = "client_credentials".into();
            d.azure_authority = "https://evil.example".into();
        }),
        server(|d| {
            d.azure_strategy = "client_credentials".into();
            d.azure_application_id = "21111111-2222-3333-4444-555555555555".into();
        }),
    ] {
        assert!(!secret.shares_password_with(&other));
    }
}

#[test]
fn json_comes_back_as_it_went_out() {
    let checked = check(|d| {
        d.choose_protocol("smtps");
        d.kind = "fax".into();
        d.fax_country = "DE".into();
        d.username = "u".into();
        d.sender = "Scan <scan@example.com>".into();
        d.override_sender = true;
        d.mime_address_strict = false;
        d.attachment_as_url = true;
        d.attachment_threshold = "512 KiB".into();
        d.link_days = "7".into();
        d.link_language = "it".into();
        d.default = true;
    })
    .unwrap();
    let out = ServerOut::of(&checked.server, checked.default, Has { password: true, client_certificate: false });
    let json = serde_json::to_value(&out).unwrap();
    assert_eq!((&json["attachment_threshold_bytes"], &json["has_password"]), (&524_288.into(), &true.into()));
    assert!(json.get("starttls").is_none() && json.get("password").is_none());
    let patch: ServerPatch = serde_json::from_value(json).unwrap();
    let mut again = ServerDraft::new("other");
    again.apply(&patch);
    assert_eq!(again.check(&PasswordDraft::default()).unwrap(), Checked { password: SecretChange::Keep, ..checked });
}

/// The draft of a fax server after `change`, without a password.
fn fax(change: impl FnOnce(&mut ServerDraft)) -> Result<Checked, FieldErrors> {
    check(|d| {
        d.kind = "fax".into();
        change(d);
    })
}

#[test]
fn a_fax_server_makes_addresses_of_numbers() {
    let set = |address: &str, domain: &str, template: &str, prefix: &str, country: &str| {
        let texts = [address, domain, template, prefix, country].map(str::to_owned);
        let checked = fax(|d| [d.fax_address, d.fax_domain, d.fax_template, d.fax_prefix, d.fax_country] = texts);
        let server = checked.unwrap().server;
        let out = ServerOut::of(&server, false, Has::default());
        let mut again = ServerDraft::new("other");
        again.apply(&ServerPatch::of(&server, false));
        assert_eq!(again.check(&PasswordDraft::default()).unwrap().server, server, "it comes back as it went out");
        assert_eq!(ServerDraft::of(&out).check(&PasswordDraft::default()).unwrap().server, server);
        assert_eq!(serde_json::from_str::<SmtpServer>(&serde_json::to_string(&server).unwrap()).unwrap(), server);
        let fax = server.fax_settings().unwrap();
        crate::fax::recipient("+49 30 123456", &fax).unwrap().to_string()
    };
    for (settings, address) in [
        (["rfc3192", "", "", "", ""], "FAX=+4930123456@mail.example.com"),
        (["rfc3192", " gw.example ", "ignored", "000", "de"], "FAX=0004930123456@gw.example"),
        (["number_at_domain", "gw.example", "", "0", ""], "04930123456@gw.example"),
        (["own", "not a domain", "fax-{number}@gw.example", "+", "DE"], "fax-4930123456@gw.example"),
    ] {
        let [address_kind, domain, template, prefix, country] = settings;
        assert_eq!(set(address_kind, domain, template, prefix, country), address);
    }
    let other = fax(|d| (d.fax_address, d.fax_prefix) = ("own".into(), "0".into()));
    assert_eq!(other.unwrap_err().get(Field::FaxTemplate), Some(&FieldError::Required));
}

#[test]
fn what_only_a_fax_server_has_is_not_stored_elsewhere() {
    let server = check(|d| {
        d.fax_address = "nonsense".into();
        d.fax_domain = "a b".into();
        d.fax_template = "no address".into();
        d.fax_prefix = "x".into();
        d.fax_country = "Germany".into();
    });
    let server = server.unwrap().server;
    assert!(server.fax.is_default() && server.fax_settings().is_none());
    for json in
        [serde_json::to_value(&server).unwrap(), serde_json::to_value(ServerOut::of(&server, false, Has::default())).unwrap()]
    {
        let keys: Vec<&String> = json.as_object().unwrap().keys().filter(|key| key.starts_with("fax")).collect();
        assert!(keys.is_empty(), "{keys:?}");
    }
    let kept = serde_json::to_value(fax(|_| ()).unwrap().server).unwrap();
    assert!(kept.get("fax").is_none(), "fingerprints are made of this");
    let out = serde_json::to_value(ServerOut::of(&fax(|_| ()).unwrap().server, false, Has::default())).unwrap();
    assert_eq!((&out["fax_address"], &out["fax_prefix"]), (&"rfc3192".into(), &"".into()), "a file says all of it");
}

#[test]
fn what_is_wrong_with_the_fax_fields_is_named_at_once() {
    let errors = fax(|d| {
        d.fax_address = "pigeon".into();
        d.fax_domain = "https://gw.example".into();
        d.fax_prefix = "0,".into();
        d.fax_country = "Germany".into();
    });
    assert_eq!(wrong_fields(errors), [Field::FaxAddress, Field::FaxDomain, Field::FaxPrefix, Field::FaxCountry]);
    let long = format!("{}.example", vec!["a".repeat(60); 4].join("."));
    assert_eq!(wrong_fields(fax(|d| d.fax_domain.clone_from(&long))), [Field::FaxDomain]);
    assert_eq!(wrong_fields(fax(|d| d.host.clone_from(&long))), [Field::FaxDomain], "no address has room for it");
    assert_eq!(wrong_fields(check(|d| d.host = long)), [], "but a name it is");
    assert_eq!(wrong_fields(fax(|d| d.host = "a b".into())), [Field::Host]);
}

#[test]
fn a_test_fax_goes_to_a_number() {
    let mut draft = draft();
    draft.kind = "fax".into();
    draft.fax_country = "DE".into();
    let test = |to: &str, attachment: &str, check_only| TestDraft {
        from: "scan@example.com".into(),
        to: to.into(),
        attachment: attachment.into(),
        check_only,
    };
    let sent = |to: &str| match test(to, "", false).check(&draft) {
        Ok(Mode::Send(envelope)) => Ok(envelope.to.iter().map(ToString::to_string).collect::<Vec<_>>()),
        Ok(mode) => panic!("{mode:?}"),
        Err(errors) => Err(errors.get(Field::TestTo).cloned()),
    };
    assert_eq!(sent("030 123456"), Ok(vec!["FAX=+4930123456@mail.example.com".to_owned()]));
    assert_eq!(sent("030 123456, +43 1 58858").map(|to| to.len()), Ok(2));
    assert_eq!(sent("FAX=+4930123456@other.example"), Ok(vec!["FAX=+4930123456@other.example".to_owned()]));
    for wrong in ["", "anna", "030 123456 x", "123456"] {
        assert!(matches!(sent(wrong), Err(Some(FieldError::Fax(_)))), "{wrong}");
    }
    assert_eq!(sent(&["030 123456"; 21].join(",")), Err(Some(FieldError::TooManyRecipients { count: 21, max: 20 })));
    assert_eq!(test("", "", true).check(&draft), Ok(Mode::Check(None)));
    let Ok(Mode::Send(envelope)) = test("030 123456", "nonsense", false).check(&draft) else { panic!("nothing is sent") };
    assert_eq!(envelope.attachment, None, "a fax has a page of its own");
    assert_eq!(
        wrong_fields_of(test("030 123456", "", false).check(&ServerDraft { fax_prefix: "x".into(), ..draft.clone() })),
        [Field::FaxPrefix]
    );
    assert_eq!(wrong_fields_of(test("030 123456", "", false).check(&ServerDraft { host: String::new(), ..draft })), [Field::Host]);
}

fn wrong_fields_of(result: Result<Mode, FieldErrors>) -> Vec<Field> {
    result.err().map(|errors| errors.iter().map(|(field, _)| field).collect()).unwrap_or_default()
}

#[test]
fn what_is_shown_beside_fax_fields_follows_what_is_typed() {
    use crate::words::{calling_code, fax_example, fax_goes_to, label_with};
    let mut draft = draft();
    assert_eq!((fax_example(&draft), fax_goes_to(&draft, "+49 30 123456")), (None, None));
    assert_eq!(label_with(&draft, Field::TestTo), "To");
    draft.kind = "fax".into();
    assert_eq!(label_with(&draft, Field::TestTo), "Fax number");
    let shown = |draft: &ServerDraft| fax_example(draft).map(|example| format!("{} {}", example.number, example.address));
    assert_eq!(shown(&draft).as_deref(), Some("+49 30 123456 FAX=+4930123456@mail.example.com"));
    draft.fax_country = "it".into();
    draft.fax_domain = "gw.example".into();
    assert_eq!(
        (shown(&draft).as_deref(), calling_code(&draft).as_str()),
        (Some("+39 06 123456 FAX=+3906123456@gw.example"), "= +39")
    );
    assert_eq!(fax_goes_to(&draft, "06 6982 1").as_deref(), Some("FAX=+390669821@gw.example"));
    assert_eq!(fax_goes_to(&draft, "a@gw.example"), None, "it says so itself");
    assert_eq!(fax_goes_to(&draft, "06 6982 x"), None);
    draft.fax_prefix = "+".into();
    assert_eq!((shown(&draft), fax_goes_to(&draft, "06 6982 1")), (None, None));
}

#[test]
fn an_unknown_key_is_an_error_and_a_missing_one_keeps_its_value() {
    let error = serde_json::from_str::<ServerPatch>(r#"{"hostname": "x"}"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `hostname`"), "{error}");
    let mut draft = draft();
    draft.port = "2525".into();
    draft.apply(&serde_json::from_str(r#"{"protocol": "smtps", "azure_oauth": null}"#).unwrap());
    assert_eq!((draft.port.as_str(), draft.host.as_str()), ("2525", "mail.example.com"));
}

#[test]
fn a_password_comes_in_as_a_value_or_a_reference_and_never_goes_out() {
    let patch: ServerPatch = serde_json::from_str(r#"{"password": {"value": "canary"}}"#).unwrap();
    assert_eq!(patch.password, Some(Some(SecretInput::Value(Secret::new("canary".into())))));
    assert!(!format!("{patch:?}").contains("canary"));
    let patch: ServerPatch = serde_json::from_str(r#"{"password": {"env": "NAME"}}"#).unwrap();
    assert_eq!(patch.password, Some(Some(SecretInput::Env("NAME".into()))));
    assert_eq!(serde_json::from_str::<ServerPatch>(r#"{"password": null}"#).unwrap().password, Some(None));
    assert_eq!(serde_json::from_str::<ServerPatch>("{}").unwrap().password, None);
    for wrong in [
        r#"{"password": "canary"}"#,
        r#"{"password": {"canary": "x"}}"#,
        r#"{"password": {"value": ["canary"]}}"#,
        r#"{"password": {"value": "canary", "env": "X"}}"#,
        r#"{"password": {"value": "canary" "#,
        r#"{"password": ["canary"]}"#,
    ] {
        let error = serde_json::from_str::<ServerPatch>(wrong).unwrap_err().to_string();
        assert!(!error.contains("canary"), "{wrong}: {error}");
    }
    let error = serde_json::from_str::<ServerPatch>(r#"{"password": {"value": 987654}}"#).unwrap_err().to_string();
    assert!(!error.contains("987654") && error.contains("must be given as"), "{error}");
}

#[test]
fn a_test_reads_its_addresses_as_the_entry_does() {
    let draft = draft();
    let attach = |attachment: &str, check_only| TestDraft {
        attachment: attachment.into(),
        to: "a@x.org".into(),
        from: "b@x.org".into(),
        check_only,
    };
    let sized = |mode| if let Mode::Send(envelope) = mode { envelope.attachment } else { None };
    assert_eq!(attach(" 12 MB ", false).check(&ServerDraft::new("mail")).map(sized), Ok(Some(Size::from_bytes(12 << 20))));
    assert_eq!(attach("", false).check(&ServerDraft::new("mail")).map(sized), Ok(None));
    assert!(attach("nonsense", true).check(&ServerDraft::new("mail")).is_ok(), "a check attaches nothing");
    for wrong in ["nonsense", "201 MB", "-1"] {
        let errors = attach(wrong, false).check(&ServerDraft::new("mail")).unwrap_err();
        assert!(errors.get(Field::TestAttachment).is_some(), "{wrong}");
    }
    let test =
        |from: &str, to: &str, check_only| TestDraft { from: from.into(), to: to.into(), attachment: String::new(), check_only };
    assert_eq!(test("", "", true).check(&draft), Ok(Mode::Check(None)));
    let errors = test("", "", false).check(&draft).unwrap_err();
    assert_eq!(
        (errors.get(Field::TestFrom), errors.get(Field::TestTo)),
        (Some(&FieldError::Required), Some(&FieldError::Required))
    );
    let Ok(Mode::Send(envelope)) = test("a@example.com", "b@example.com, Team: c@example.com, d@example.com;", false).check(&draft)
    else {
        panic!("nothing is sent")
    };
    assert_eq!(envelope.to.len(), 3);
    let many = vec!["x@example.com"; 21].join(",");
    let errors = test("a@example.com", &many, false).check(&draft).unwrap_err();
    assert_eq!(errors.get(Field::TestTo), Some(&FieldError::TooManyRecipients { count: 21, max: 20 }));
}

#[test]
fn every_sentence_is_one_and_carries_no_foreign_control() {
    let errors = check(|d| {
        d.host = "\u{202e}evil\u{0}".into();
        d.timeout_ms = "<script>\n".into();
        d.attachment_threshold = "1 \u{7}".into();
    })
    .unwrap_err();
    for (key, sentence) in errors.sentences() {
        assert!(!sentence.chars().any(char::is_control), "{key}: {sentence:?}");
        assert!(sentence.ends_with('.'), "{key}: {sentence:?}");
    }
}

#[test]
fn only_an_object_is_a_server() {
    for text in ["[]", r#"["mail", "smtp"]"#, "null", r#""mail""#, "1", r#"{"azure_oauth": []}"#, r#"{"azure_oauth": ["id"]}"#] {
        assert!(serde_json::from_str::<ServerPatch>(text).is_err(), "{text}");
    }
    let text = r#"{"name":"mail","port":25,"azure_oauth":{"application_id":"id"}}"#;
    let patch: ServerPatch = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&patch).unwrap(), text);
    assert!(serde_json::from_str::<ServerPatch>(r#"{"nonsense": 1}"#).is_err());
}

#[test]
fn what_was_kept_before_links_had_a_language_has_the_default_and_stays_as_it_was() {
    let old = r#"{"as_url":true,"threshold":1024,"link_days":7}"#;
    let kept: Attachments = serde_json::from_str(old).unwrap();
    assert_eq!((kept.link_days, kept.link_language), (7, Language::English));
    assert_eq!(serde_json::to_string(&kept).unwrap(), old);
    let german = Attachments { link_language: Language::German, ..kept };
    let json = serde_json::to_string(&german).unwrap();
    assert!(json.contains(r#""link_language":"de""#), "{json}");
    assert_eq!(serde_json::from_str::<Attachments>(&json).unwrap(), german);
}
