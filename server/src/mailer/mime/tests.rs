//! What is written, to the byte. Whether others read it as it is meant is tested in `tests/mime.rs`.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use domain::address::Strictness;

use super::super::content::FileContent;
use super::super::message::tests::whole;
use super::*;

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text, Strictness::Lenient).unwrap()
}

static FROM: LazyLock<Mailbox> = LazyLock::new(|| mailbox("Scan <scan@example.com>"));
static TO: LazyLock<[Mailbox; 1]> = LazyLock::new(|| [mailbox("anna@example.org")]);

/// A message without anything in it.
fn outgoing<'a>() -> Outgoing<'a> {
    Outgoing {
        from: &FROM,
        reply_to: &[],
        to: &*TO,
        cc: &[],
        subject: "Offer",
        text: None,
        html: None,
        attachments: Vec::new(),
        now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        random: [0xab; 16],
    }
}

/// The same changed by `change`, as it is written.
fn composed<'a>(change: impl FnOnce(&mut Outgoing<'a>)) -> String {
    let mut outgoing = outgoing();
    change(&mut outgoing);
    let message = outgoing.compose().unwrap();
    // Reading files takes a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _in_it = runtime.enter();
    let text = whole(&message);
    assert_eq!(message.size(), text.len() as u64);
    assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{text}");
    text
}

/// With an empty file beside a text.
fn with_file(name: &str, content_type: &str) -> String {
    let content = Arc::new(FileContent::new("/dev/null"));
    let part = Part { name: name.into(), content_type: content_type.into(), size: 0, content };
    composed(|o| (o.text, o.attachments) = (Some("."), vec![part]))
}

#[test]
fn the_simplest_message_is_exact() {
    let expected = "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
        Message-ID: <abababababababababababababababab@example.com>\r\n\
        From: Scan <scan@example.com>\r\n\
        To: anna@example.org\r\n\
        Subject: Offer\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: 7bit\r\n\
        \r\n";
    assert_eq!(composed(|o| o.text = Some("Hello,\n\nbye\r")), format!("{expected}Hello,\r\n\r\nbye\r\n"));
    assert_eq!(composed(|o| o.text = Some("no end")), format!("{expected}no end\r\n"));
    assert_eq!(composed(|_| {}), expected);
}

#[test]
fn two_ways_to_say_it_are_alternatives_and_files_stand_beside_them() {
    let text = composed(|o| (o.text, o.html) = (Some("Hello"), Some("<p>Hello</p>")));
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "--=_aabababababababababababababababab\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHello\r\n\
         --=_aabababababababababababababababab\r\n\
         Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p>Hello</p>\r\n\
         --=_aabababababababababababababababab--\r\n"
    );
    let text = with_file("a.pdf", "application/pdf");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        "--=_mabababababababababababababababab\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n.\r\n\
         --=_mabababababababababababababababab\r\n\
         Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n filename=\"a.pdf\"\r\n\r\n\
         --=_mabababababababababababababababab--\r\n"
    );
}

#[test]
fn who_gets_it_stands_in_its_fields_and_nobody_else() {
    let (anna, otto) = ([mailbox("Anna <anna@example.org>")], [mailbox("otto@example.org"), mailbox("\"Z, ö\" <z@example.org>")]);
    let text = composed(|o| (o.to, o.cc, o.reply_to) = (&anna, &otto, &anna));
    assert!(
        text.contains("\r\nTo: Anna <anna@example.org>\r\nCc: otto@example.org, =?UTF-8?Q?Z=2C_=C3=B6?= <z@example.org>\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nReply-To: Anna <anna@example.org>\r\n") && !text.contains("undisclosed"), "{text}");
    let text = composed(|o| (o.to, o.cc) = (&[], &otto));
    assert!(!text.contains("\r\nTo:") && text.contains("\r\nCc: otto"), "{text}");
    let text = composed(|o| o.to = &[]);
    assert!(text.contains("\r\nTo: undisclosed-recipients:;\r\n") && !text.contains("Cc:") && !text.contains("Reply-To"), "{text}");
    let bare = mailbox("anna");
    let nowhere = |outgoing: Outgoing<'_>| outgoing.compose().is_err();
    assert!(nowhere(Outgoing { from: &bare, ..outgoing() }));
    let bare = [bare];
    assert!(nowhere(Outgoing { to: &bare, ..outgoing() }) && nowhere(Outgoing { reply_to: &bare, ..outgoing() }));
}

#[test]
fn fields_are_folded_and_what_is_too_long_for_that_is_encoded() {
    let many: Vec<Mailbox> = (0..100).map(|n| mailbox(&format!("Somebody {n} <somebody-{n}@example.org>"))).collect();
    let long = [mailbox(&format!("{} <anna@example.org>", "a".repeat(3_000)))];
    let text = composed(|o| (o.to, o.cc) = (&many, &long));
    let (fields, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(fields.split("\r\n").all(|line| line.len() <= 78), "{fields}");
    let unfolded = fields.replace("\r\n ", " ");
    assert!(
        unfolded.contains("Somebody 99 <somebody-99@example.org>\r\n")
            && unfolded.contains("=?= <anna@example.org>\r\n") | unfolded.contains("?= <anna@example.org>\r\n")
    );
}

#[test]
fn a_subject_is_one_line_whatever_is_in_it() {
    let long = "word ".repeat(100);
    let table: [(&str, &str); 11] = [
        ("Offer", "Offer"),
        ("", ""),
        ("  two  spaces  ", "two  spaces"),
        ("Offer\r\nBcc: eve@example.com", "Offer  Bcc: eve@example.com"),
        ("Offer\r\n\r\nbody\r\n.\r\nMAIL FROM:<eve@example.com>", "Offer    body  .  MAIL FROM:<eve@example.com>"),
        ("a\0b\tc\u{7f}d\u{85}e\u{2028}f", "a b c d e f"),
        ("Angebot für Zoë", "=?UTF-8?Q?Angebot_f=C3=BCr_Zo=C3=AB?="),
        ("見積書", "=?UTF-8?B?6KaL56mN5pu4?="),
        ("=?UTF-8?Q?=0D=0ABcc:_eve?=", "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3F=3D0D=3D0ABcc=3A=5Feve=3F=3D?="),
        (&long, long.trim()),
        (".", "."),
    ];
    for (given, expected) in table {
        let text = composed(|o| o.subject = given);
        let (fields, body) = text.split_once("\r\n\r\n").unwrap();
        let unfolded = fields.replace("\r\n ", " ");
        assert!(unfolded.contains(&format!("\r\nSubject: {expected}\r\nMIME-Version")), "{given:?}: {fields}");
        assert_eq!((unfolded.split("\r\n").count(), body), (8, ""), "{fields}");
        assert!(fields.split("\r\n").all(|line| line.len() <= 78), "{fields}");
    }
    let endless = "a".repeat(10_000);
    let text = composed(|o| o.subject = &endless);
    assert!(text.split("\r\n").all(|line| line.len() <= 78), "{text}");
}

#[test]
fn a_text_is_written_as_it_is_only_where_everybody_would_read_it() {
    let boundary = "before\r\n--=_mabababababababababababababababab\r\nafter";
    let wide = "x".repeat(79);
    let table: [(&str, &str, &str); 10] = [
        ("short\nlines\tand tabs", "7bit", "short\r\nlines\tand tabs\r\n"),
        ("\r\n.\r\nMAIL FROM:<eve@example.com>\r\n", "7bit", "\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"),
        ("a\n.\nb\r.\rc", "7bit", "a\r\n.\r\nb\r\n.\r\nc\r\n"),
        ("Viele Grüße", "quoted-printable", "Viele Gr=C3=BC=C3=9Fe\r\n"),
        ("見積書", "base64", "6KaL56mN5pu4\r\n"),
        ("a\0b, and so on", "quoted-printable", "a=00b, and so on\r\n"),
        ("\u{1b}[31mred, and so on", "quoted-printable", "=1B[31mred, and so on\r\n"),
        ("\u{7f}", "base64", "fw==\r\n"),
        (&wide, "quoted-printable", &format!("{}=\r\nxxxx\r\n", "x".repeat(75))),
        (boundary, "quoted-printable", "before\r\n--=3D_mabababababababababababababababab\r\nafter\r\n"),
    ];
    for (text, encoding, expected) in table {
        let all = composed(|o| o.text = Some(text));
        let (fields, body) = all.split_once("\r\n\r\n").unwrap();
        assert!(fields.ends_with(&format!("\r\nContent-Transfer-Encoding: {encoding}")), "{text:?}: {fields}");
        assert_eq!(body, expected);
        // HTML is no different.
        assert!(composed(|o| o.html = Some(text)).ends_with(&format!("{encoding}\r\n\r\n{expected}")));
    }
    // Nothing that is written can be taken for a boundary.
    let all = composed(|o| (o.text, o.html) = (Some(boundary), Some("--=_aabababababababababababababababab--")));
    assert_eq!(all.matches("\r\n--=_").count(), 3, "{all}");
}

#[test]
fn types_of_files_are_believed_only_where_they_are_types() {
    let unknown = "application/octet-stream";
    let long = format!("a/{}", "b".repeat(128));
    let table = [
        ("application/pdf", "application/pdf"),
        ("Image/PNG", "Image/PNG"),
        ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        (" text/csv ", "text/csv"),
        ("text/plain; charset=utf-8", "text/plain;\r\n charset=utf-8"),
        ("text/plain;charset=\"iso-8859-1\"", "text/plain;\r\n charset=iso-8859-1"),
        ("", unknown),
        ("pdf", unknown),
        ("/pdf", unknown),
        ("application/", unknown),
        ("application/pdf/x", unknown),
        ("application/p df", unknown),
        ("application/pdf\r\nBcc: eve@example.com", unknown),
        ("application/pdf\n", unknown),
        ("application/pdf\0", unknown),
        ("application/pdf; name=\"x.exe\"", unknown),
        ("text/plain; charset=utf-8; name=x", unknown),
        ("text/plain; charset=\"utf-8\r\nBcc: x\"", unknown),
        ("text/plain; charset=", unknown),
        ("text/plain;", unknown),
        ("text/pläin", unknown),
        ("message/rfc822", unknown),
        ("MESSAGE/RFC822", unknown),
        ("message/external-body", unknown),
        ("multipart/mixed; boundary=x", unknown),
        ("Multipart/Alternative", unknown),
        (&long, unknown),
    ];
    for (given, expected) in table {
        let text = with_file("a", given);
        let part = text.split("--=_m").nth(2).unwrap();
        let (fields, body) = part.split_once("\r\n\r\n").unwrap();
        let expected = format!(
            "\r\nContent-Type: {expected}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n filename=\"a\""
        );
        assert!(fields.ends_with(&expected), "{given:?}: {fields}");
        assert_eq!((body, text.contains("Bcc")), ("", false), "{given:?}");
    }
}

#[test]
fn names_of_files_are_written_for_everybody() {
    let table = [
        ("Offer 1.pdf", " filename=\"Offer 1.pdf\""),
        ("Angebot für.pdf", " filename*=UTF-8''Angebot%20f%C3%BCr.pdf;\r\n filename=\"Angebot f_r.pdf\""),
        ("../a\r\nBcc: x\";.pdf", " filename=\"aBcc_ x;.pdf\""),
        ("a'b%*.ü", " filename*=UTF-8''a%27b%25_.%C3%BC;\r\n filename=\"a'b%_._\""),
        (
            "見積書見積書見積書.pdf",
            " filename*0*=UTF-8''%E8%A6%8B%E7%A9%8D%E6%9B%B8%E8%A6%8B%E7%A9%8D%E6%9B%B8;\r\n filename*1*=%E8%A6%8B%E7%A9%8D%E6%9B%B8.pdf;\r\n filename=\"_________.pdf\"",
        ),
        ("", " filename=\"attachment\""),
    ];
    for (given, expected) in table {
        let text = with_file(given, "a/b");
        let fields = text.split("--=_m").nth(2).unwrap().split_once("\r\n\r\n").unwrap().0;
        assert!(fields.ends_with(&format!("Content-Disposition: attachment;\r\n{expected}")), "{given:?}: {fields}");
    }
    let text = with_file(&"ö".repeat(500), "a/b");
    assert!(text.split("\r\n").filter(|line| !line.starts_with(" filename=")).all(|line| line.len() <= 78), "{text}");
}
