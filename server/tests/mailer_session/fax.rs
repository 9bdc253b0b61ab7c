//! A fax gateway: whom the message is for, and the page that goes with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::address::Strictness;
use domain::fax::{FaxDocument, FaxPrefix, FaxSettings, FaxTemplate, OwnTemplate, fax_document};
use domain::host::Host;
use domain::size::Size;
use domain::smtp_server::{Has, Kind, ServerDraft, ServerOut, SmtpServer, TestDraft};
use domain::transcript::{Cause, Outcome, Stage};
use server::mailer::Mode;

use super::peer::{Act, on, say};
use super::{entry, hello, run};

/// A fax server with these settings.
fn gateway(fax: FaxSettings) -> impl FnOnce(&mut SmtpServer) {
    |server| (server.kind, server.fax) = (Kind::Fax, fax)
}

/// A test fax to what was typed, as the form, the API and the command line read it.
fn faxing(to: &str, fax: &FaxSettings) -> Mode {
    let mut server = entry(([127, 0, 0, 1], 25).into());
    gateway(fax.clone())(&mut server);
    let draft = ServerDraft::of(&ServerOut::of(&server, false, Has::default()));
    assert_eq!(draft.strictness(), Strictness::Strict);
    let test = TestDraft { from: "scan@example.com".into(), to: to.into(), attachment: "5 MB".into(), check_only: false };
    test.check(&draft).unwrap()
}

/// A gateway that takes a message.
fn takes() -> Vec<Act> {
    [
        hello("SIZE 100000\n8BITMIME"),
        on("MAIL FROM:<scan@example.com>", "250 2.1.0 ok").to_vec(),
        on("RCPT TO:<", "250 2.1.5 ok").to_vec(),
        on("DATA", "354 go on").to_vec(),
        vec![Act::HearMessage, say("250 2.0.0 Ok: queued as 4F2B1C")],
    ]
    .concat()
}

#[tokio::test]
async fn a_test_fax_goes_to_the_numbers_address_with_a_page_as_pdf() {
    let domain = Host::parse("fax.example").ok();
    for (fax, address) in [
        (FaxSettings::default(), "FAX=+4930123456@mail.test"),
        (FaxSettings { domain: domain.clone(), ..FaxSettings::default() }, "FAX=+4930123456@fax.example"),
        (
            FaxSettings {
                template: FaxTemplate::NumberAtDomain,
                domain,
                prefix: FaxPrefix::parse("00").unwrap(),
                ..FaxSettings::default()
            },
            "004930123456@fax.example",
        ),
        (
            FaxSettings {
                template: FaxTemplate::Own(OwnTemplate::parse("/fax={e164}/@gw.example").unwrap()),
                ..FaxSettings::default()
            },
            "/fax=+4930123456/@gw.example",
        ),
    ] {
        let run = run(vec![takes()], None, faxing("+49 (0)30 / 12 34 56", &fax), gateway(fax)).await;
        assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
        let lines = run.log.lines();
        assert_eq!(lines[2], format!("RCPT TO:<{address}>"));
        let message = lines[4].strip_prefix("MESSAGE\n").unwrap();
        assert!(message.contains(&format!("\nTo: {address}\n")), "{message}");
        let boundary = message.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let parts: Vec<&str> = message.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 4, "a text, and one page: no file of a chosen size");
        let (header, body) = parts[2].split_once("\n\n").unwrap();
        assert!(
            header.contains("Content-Type: application/pdf") && header.contains("filename=\"postroom-test-fax.pdf\""),
            "{header}"
        );
        let page = STANDARD.decode(body.replace('\n', "")).unwrap();
        assert_eq!(fax_document(&page), Some(FaxDocument::Pdf));
        assert!(page.len() < 1000 && String::from_utf8(page).unwrap().contains("(Postroom test fax)"));
    }
}

#[tokio::test]
async fn a_gateway_is_checked_without_a_fax() {
    let none = run(vec![hello("")], None, Mode::Check(None), gateway(FaxSettings::default())).await;
    assert_eq!((none.outcome(), none.finished.stage), (Outcome::Checked, Stage::Ehlo));
    assert_eq!(none.log.lines(), ["EHLO client.test", "QUIT"]);
}

#[tokio::test]
async fn a_number_that_the_gateway_refuses_is_told_with_its_address() {
    let script = [
        hello(""),
        on("MAIL FROM:<scan@example.com>", "250 ok").to_vec(),
        on("RCPT TO:<FAX=+4930123456@mail.test>", "550 5.1.1 no such number").to_vec(),
    ]
    .concat();
    let fax = FaxSettings::default();
    let run = run(vec![script], None, faxing("tel:+49-30-123456", &fax), gateway(fax)).await;
    assert_eq!((run.outcome(), run.finished.stage, run.finished.cause), (Outcome::Failed, Stage::RcptTo, Some(Cause::Rejected)));
    assert_eq!(run.finished.recipients[0].address, "FAX=+4930123456@mail.test");
    assert!(!run.log.has("DATA"), "no page goes to nobody");
}

#[tokio::test]
async fn a_page_above_the_threshold_is_refused_before_anything_is_opened() {
    let fax = FaxSettings::default();
    let change = |server: &mut SmtpServer| {
        gateway(FaxSettings::default())(server);
        server.attachments.threshold = Size::from_bytes(100);
    };
    let run = run(vec![], None, faxing("+49 30 123456", &fax), change).await;
    assert_eq!(run.failure(), (Stage::Resolve, Some(Cause::AttachmentsTooBig), "attachments_too_big"));
    assert!(run.log.connections.is_empty());
}
