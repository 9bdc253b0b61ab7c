//! Messages: how they are taken over, and the pages that tell what became of them.

use app::backend::{Handover, Submissions};
use bytes::Bytes;
use domain::link::LinkId;
use domain::submission::{
    Ended, Message, MessageView, MessagesPage, MessagesQuery, SentFile, Source, SubmissionId, SubmissionReport, TextPart, Verdict,
};
use domain::transcript::{RecipientResult, Reply, Security};

use super::*;

fn message(id: u64, ended: Option<Ended>) -> Message {
    Message {
        id: SubmissionId(id),
        at_ms: NOW - 60_000,
        who: Who::Token { id: TokenId(1), name: HOSTILE.into() },
        address: "192.0.2.7".into(),
        entry: EntryId(1),
        server: "mail".into(),
        source: Source::BpmMailNode,
        from: "office@example.com".into(),
        overridden: Some(format!("\"{HOSTILE}\" <node@example.com>")),
        reply_to: vec!["node@example.com".into()],
        recipients: vec![format!("\"{HOSTILE}\" <anna@example.org>"), "bob@example.org".into()],
        subject: HOSTILE.into(),
        size: 1_500_000,
        files: vec![SentFile { name: HOSTILE.into(), size: 1_000_000, link: Some(LinkId(3)) }],
        ended,
    }
}

fn ended() -> Ended {
    let reply = Reply { code: 250, enhanced: Some("2.0.0".into()), text: format!("queued {HOSTILE}") };
    let refused = Reply { code: 550, enhanced: Some("5.1.1".into()), text: HOSTILE.into() };
    let recipients = vec![
        RecipientResult { address: "anna@example.org".into(), accepted: true, reply: None },
        RecipientResult { address: "bob@example.org".into(), accepted: false, reply: Some(refused) },
    ];
    let finished = Finished {
        security: Security::Tls13,
        reply: Some(reply),
        recipients,
        partial: true,
        queue_id: Some(HOSTILE.into()),
        ..Finished::new(Outcome::Sent, Stage::Accepted)
    };
    Ended::of(&finished, "mail.example.com", 1_234)
}

fn report(verdict: Verdict) -> SubmissionReport {
    let Ended { stage, security, reply, queue_id, recipients, partial, cause, diagnosis, took_ms, headline, .. } = ended();
    SubmissionReport {
        error: verdict.error(),
        id: SubmissionId(9),
        server: "mail".into(),
        verdict,
        message: headline,
        stage,
        security,
        reply,
        queue_id,
        recipients,
        partial,
        cause,
        links: vec![],
        diagnosis,
        elapsed_ms: took_ms,
    }
}

/// Writes down what is handed over.
struct Taken {
    calls: Arc<Mutex<Vec<String>>>,
    to: String,
    file: Option<(String, Vec<u8>)>,
}

impl Taken {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn end_file(&mut self) {
        if let Some((name, bytes)) = self.file.take() {
            self.note(format!("file {name}: {} bytes", bytes.len()));
        }
    }
}

#[async_trait]
impl Handover for Taken {
    fn put(&mut self, (field, text): TextPart) {
        if field == domain::submission::SubmissionField::To {
            self.to.clone_from(&text);
        }
        if !text.is_empty() {
            self.note(format!("{}: {text}", field.key()));
        }
    }

    async fn begin_file(&mut self, name: String, content_type: String) -> Result<(), Problem> {
        self.end_file();
        self.file = Some((format!("{name} ({content_type})"), Vec::new()));
        Ok(())
    }

    async fn push(&mut self, bytes: Bytes) -> Result<(), Problem> {
        self.file.as_mut().ok_or(Problem::Internal)?.1.extend_from_slice(&bytes);
        Ok(())
    }

    async fn send(mut self: Box<Self>) -> Result<SubmissionReport, Problem> {
        self.end_file();
        self.note("send".into());
        match self.to.as_str() {
            "full@example.com" => Err(Problem::NoRoom { quota: Some(1_000) }),
            "lost@example.com" => Ok(report(Verdict::Unknown)),
            "refused@example.com" => Ok(report(Verdict::NotSent)),
            _ => Ok(report(Verdict::Sent)),
        }
    }
}

#[async_trait]
impl Submissions for Fake {
    async fn take_message(&self) -> Result<Box<dyn Handover>, Problem> {
        self.note("take");
        Ok(Box::new(Taken { calls: Arc::clone(&self.calls), to: String::new(), file: None }))
    }

    async fn messages(&self, query: MessagesQuery) -> Result<MessagesPage, Problem> {
        if query.from == "yesterday" {
            return Err(Problem::Malformed { detail: format!("“{HOSTILE}” isn't a day") });
        }
        let messages = if query.server == "nobody" { vec![] } else { vec![message(9, Some(ended())), message(8, None)] };
        let next = (query.server != "nobody").then_some(SubmissionId(8));
        Ok(MessagesPage { messages, next, total: 1234, kept_days: 30, now_ms: NOW })
    }

    async fn message(&self, id: SubmissionId) -> Result<MessageView, Problem> {
        match id.0 {
            9 => Ok(MessageView { message: message(9, Some(ended())), events: vec![], now_ms: NOW }),
            1 | 8 => Ok(MessageView { message: message(8, None), events: vec![], now_ms: NOW }),
            _ => Err(Problem::NoSuchMessage(id)),
        }
    }
}

const FORM: &str = "multipart/form-data; boundary=B";

impl Site {
    async fn hand_over(&self, kind: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post("/api/v1/messages").header(header::HOST, "127.0.0.1:3000").header(header::CONTENT_TYPE, kind);
        self.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn a_message_in_json_or_in_parts_is_handed_over_as_it_came() {
    let site = Site::new();
    let json = r#"{"to": ["a@example.com", "b@example.com"], "cc": "c@example.com, d@example.com", "subject": "S", "text": "T",
                   "attachments": [{"name": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}]}"#;
    let answer = site.hand_over("application/json; charset=utf-8", json).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(
        site.calls(),
        [
            "take",
            "to: a@example.com",
            "to: b@example.com",
            "cc: c@example.com, d@example.com",
            "subject: S",
            "text: T",
            "file a.txt (text/plain): 5 bytes",
            "send"
        ]
    );
    let site = Site::new();
    let parts = "--B\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@example.com\r\n\
                 --B\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"a.bin\"\r\nContent-Type: application/pdf\r\n\r\n\0\r\n--A\r\n\
                 --B\r\nContent-Disposition: form-data; name=\"text\"; filename=\"text.txt\"\r\n\r\nGr\u{fc}\u{df}e\r\n--B--\r\n";
    let answer = site.hand_over(FORM, parts).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(site.calls(), ["take", "to: a@example.com", "text: Grüße", "file a.bin (application/pdf): 6 bytes", "send"]);
}

#[tokio::test]
async fn the_status_says_whether_it_was_sent() {
    for (to, status, error) in [
        ("a@example.com", StatusCode::OK, ""),
        ("refused@example.com", StatusCode::BAD_GATEWAY, "not_sent"),
        ("lost@example.com", StatusCode::GATEWAY_TIMEOUT, "sent_unknown"),
        ("full@example.com", StatusCode::INSUFFICIENT_STORAGE, "disk_full"),
    ] {
        let answer = Site::new().hand_over("application/json", format!(r#"{{"to": "{to}"}}"#)).await;
        assert_eq!(answer.status, status, "{to}");
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(json["error"].as_str().unwrap_or_default(), error, "{to}");
        assert!(!json["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_breaks_off_or_cannot_be_read_is_never_sent() {
    let part = |name: &str, more: &str, content: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{content}\r\n")
    };
    let many: String = (0..1_001).map(|_| part("to", "", "a@example.com")).collect::<String>() + "--B--\r\n";
    let long = part("text", "", &"x".repeat(9 << 20)) + &part("html", "", &"x".repeat(1 << 20)) + "--B--\r\n";
    for (kind, body, status) in [
        (FORM, part("to", "", "a@example.com"), StatusCode::BAD_REQUEST),
        (FORM, part("attachments", "; filename=\"a\"", "x"), StatusCode::BAD_REQUEST),
        (FORM, "nonsense".into(), StatusCode::BAD_REQUEST),
        ("multipart/form-data", part("to", "", "a") + "--B--\r\n", StatusCode::BAD_REQUEST),
        (FORM, part("bbc", "", "a") + "--B--\r\n", StatusCode::BAD_REQUEST),
        (FORM, part("", "", "a") + "--B--\r\n", StatusCode::BAD_REQUEST),
        (FORM, many, StatusCode::BAD_REQUEST),
        (FORM, long, StatusCode::PAYLOAD_TOO_LARGE),
        ("application/json", "{\"to\": 1}".into(), StatusCode::BAD_REQUEST),
        ("application/json", "{\"to\": [{}]}".into(), StatusCode::BAD_REQUEST),
        ("application/json", "{".into(), StatusCode::BAD_REQUEST),
        ("application/json", format!("{{\"text\": \"{}\"}}", "x".repeat(1 << 20)), StatusCode::PAYLOAD_TOO_LARGE),
        ("text/plain", "hello".into(), StatusCode::BAD_REQUEST),
        ("", String::new(), StatusCode::BAD_REQUEST),
    ] {
        let site = Site::new();
        let shown: String = body.chars().take(80).collect();
        let answer = site.hand_over(kind, body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert!(!site.calls().contains(&"send".to_owned()), "{shown}");
    }
    let site = Site::new();
    let torn = futures::stream::iter([
        Ok("--B\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"a\"\r\n\r\nabc"),
        Err("gone"),
    ]);
    let answer = site.hand_over(FORM, Body::from_stream(torn)).await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::BAD_REQUEST, "malformed".into()));
    assert!(!site.calls().contains(&"send".to_owned()));
}

#[tokio::test]
async fn nothing_is_taken_over_from_whoever_may_not_submit() {
    let site = Site::behind(Door::new(Permit::default()));
    let answer = site.hand_over("application/json", "{}").await;
    assert_eq!((answer.status, error_of(&answer)), (StatusCode::UNAUTHORIZED, "not_signed_in".into()));
    assert_eq!(site.calls(), Vec::<String>::new());
    let answer = site.send(Request::put("/api/v1/messages").header(header::HOST, "localhost").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(error_of(&answer), "wrong_method");
}

#[tokio::test]
async fn the_pages_tell_what_became_of_messages_and_show_no_markup_of_others() {
    let site = Site::new();
    for path in ["/messages", "/messages?search=%3Cscript%3E&server=mail", "/messages/9", "/messages/8"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.body.contains("<script>alert(1)"), "{path}");
    }
    let list = site.get("/messages").await.body;
    for told in [
        "1\u{202f}234 messages are remembered.",
        "Sent to some",
        "Being sent",
        "1.4 MB",
        "1 file as links",
        "before=8",
        "for 30 days",
    ] {
        assert!(list.contains(told), "{told}");
    }
    let one = site.get("/messages/9").await.body;
    for told in [
        "Sent to 1 of 2 recipients.",
        "The mail node named",
        "took its place",
        "BPM mail node",
        "/links#link-3",
        "refused",
        "TLS 1.3",
    ] {
        assert!(one.contains(told), "{told}");
    }
    assert!(site.get("/messages?server=nobody").await.body.contains("Nothing fits."));
    for (path, status) in [
        ("/messages?from=yesterday", StatusCode::BAD_REQUEST),
        ("/messages?outcome=lost", StatusCode::BAD_REQUEST),
        ("/messages?before=x", StatusCode::BAD_REQUEST),
        ("/messages/99", StatusCode::NOT_FOUND),
        ("/messages/x", StatusCode::NOT_FOUND),
        ("/api/v1/messages?outcome=lost", StatusCode::BAD_REQUEST),
        ("/api/v1/messages?bbc=1", StatusCode::BAD_REQUEST),
        ("/api/v1/messages/99", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(site.get(path).await.status, status, "{path}");
    }
    let page: MessagesPage = serde_json::from_str(&site.get("/api/v1/messages").await.body).unwrap();
    assert_eq!((page.messages.len(), page.next), (2, Some(SubmissionId(8))));
    let view: MessageView = serde_json::from_str(&site.get("/api/v1/messages/9").await.body).unwrap();
    assert_eq!(view.message, message(9, Some(ended())));
}

#[tokio::test]
async fn how_to_send_is_told_with_this_address_and_the_api_describes_itself() {
    let site = Site::new();
    let page = site.get("/help/api").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("http://127.0.0.1:3000/api/v1/messages") && page.body.contains("/tokens/new"));
    let description: serde_json::Value = serde_json::from_str(&site.get("/api/openapi.json").await.body).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    let post = &description["paths"]["/api/v1/messages"]["post"];
    assert!(post["requestBody"]["content"]["multipart/form-data"].is_object(), "{post}");
}
