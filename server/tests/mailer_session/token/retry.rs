//! What becomes of a token at the mail server: the mechanism, a refusal, and one more attempt where the token isn't new.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::oauth::{Provider, Strategy};
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
use domain::transcript::{Cause, Outcome, Stage};
use server::mailer::{Granted, SessionDeadline, TestRun, TokenClient, TokenSource, Trouble};
use tokio::time::Instant;

use super::super::canary::{CANARY, USER};
use super::super::peer::{Act, Peer, on, say};
use super::super::sign_in_service::{Service, json};
use super::super::{Run, carry_out, entry, hello, mailer, run_at, sending, transaction};
use super::{azure, change, granted, password};

pub(crate) fn token(token: &str, seconds: u64) -> String {
    json("200 OK", &format!(r#"{{"token_type":"Bearer","expires_in":{seconds},"access_token":"{token}"}}"#))
}

pub(crate) fn xoauth2(token: &str) -> String {
    format!("AUTH XOAUTH2 {}", STANDARD.encode(format!("user={USER}\u{1}auth=Bearer {token}\u{1}\u{1}")))
}

fn oauthbearer(token: &str) -> String {
    format!("AUTH OAUTHBEARER {}", STANDARD.encode(format!("n,a={USER},\u{1}auth=Bearer {token}\u{1}\u{1}")))
}

/// A run with the password, against a mail server that answers so to each sign-in, and takes a message after a welcome.
async fn answering(service: &Service, offered: &str, answers: &[&[Act]]) -> Run {
    let answers = answers.concat();
    let welcome = matches!(answers.last(), Some(Act::Say(bytes)) if bytes.starts_with(b"235"));
    let after = if welcome { transaction() } else { Vec::new() };
    let script = [hello(offered), answers, after].concat();
    run_at(&mailer(None).with_authority(service.url()), Peer::new(vec![script]).await, sending(), password(), azure).await
}

#[tokio::test]
async fn the_mechanism_that_is_offered_is_used_and_xoauth2_before_the_other() {
    for (offered, said) in [
        ("AUTH LOGIN OAUTHBEARER", oauthbearer("fake-token-1")),
        ("AUTH OAUTHBEARER XOAUTH2", xoauth2("fake-token-1")),
        ("AUTH XOAUTH2", xoauth2("fake-token-1")),
    ] {
        let service = Service::new(token("fake-token-1", 3600), None).await;
        let run = answering(&service, offered, &[&on("AUTH ", "235 2.7.0 welcome")]).await;
        assert_eq!((run.outcome(), run.log.lines()[1]), (Outcome::Sent, said.as_str()));
        assert!(!run.shown().contains("fake-token-1") && !run.shown().contains(&said), "{}", run.shown());
    }
    let service = Service::new(token("fake-token-1", 3600), None).await;
    let script = hello("AUTH PLAIN LOGIN");
    let mailer = mailer(None).with_authority(service.url());
    let run = run_at(&mailer, Peer::new(vec![script]).await, sending(), password(), azure).await;
    assert_eq!((run.finished.stage, run.finished.cause), (Stage::Auth, Some(Cause::TokenNotOffered)));
    assert!(!run.log.has("AUTH"), "{:?}", run.log);
}

#[tokio::test]
async fn the_reason_that_comes_in_a_challenge_is_answered_and_shown() {
    let reason = r#"{"status":"invalid_token","scope":"mail"}"#;
    for (mechanism, answer) in [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")] {
        let service = Service::new(token("fake-token-1", 3600), None).await;
        let refused = [
            Act::Hear("AUTH "),
            say(&format!("334 {}", STANDARD.encode(reason))),
            Act::Hear(answer),
            say("535 5.7.3 Authentication unsuccessful"),
        ];
        let run = answering(&service, &format!("AUTH {mechanism}"), &[&refused]).await;
        assert_eq!((run.finished.stage, run.finished.cause), (Stage::Auth, Some(Cause::Rejected)));
        assert_eq!(run.log.lines()[2], answer, "{mechanism}");
        let evidence = run.finished.diagnosis.as_ref().unwrap().evidence.clone().unwrap();
        assert!(evidence.contains(reason) && evidence.contains("535 5.7.3"), "{evidence}");
        assert_eq!(service.requests().len(), 1, "a new token isn't asked for again");
    }
}

#[tokio::test]
async fn a_token_that_has_run_out_is_replaced_once() {
    let service = Service::in_turn(vec![token("fake-token-1", 0), token("fake-token-2", 3600)]).await;
    let refused = on("AUTH ", "535 5.7.3 Authentication unsuccessful");
    let run = answering(&service, "AUTH XOAUTH2", &[&refused, &on("AUTH ", "235 2.7.0 welcome")]).await;
    assert_eq!(run.outcome(), Outcome::Sent, "{:?}", run.finished);
    assert_eq!(run.log.lines()[1..3], [xoauth2("fake-token-1"), xoauth2("fake-token-2")]);
    assert_eq!(service.requests().len(), 2);
    assert_eq!(run.warnings(), ["The server refused the access token, which isn't new. Another one is asked for."]);
    assert!(!run.shown().contains("fake-token"), "{}", run.shown());

    // While the mail server took its time.
    let service = Service::in_turn(vec![token("fake-token-1", 1), token("fake-token-2", 3600)]).await;
    let slow = [
        Act::Hear("AUTH "),
        Act::Dawdle(Duration::from_millis(600)),
        say("334 "),
        Act::Hear(""),
        Act::Dawdle(Duration::from_millis(600)),
    ];
    let run = answering(&service, "AUTH XOAUTH2", &[&slow, &[say("535 5.7.3 no")], &on("AUTH ", "235 2.7.0 welcome")]).await;
    assert_eq!((run.outcome(), service.requests().len()), (Outcome::Sent, 2), "{:?}", run.finished);
}

#[tokio::test]
async fn a_second_refusal_ends_it() {
    let service = Service::new(token("fake-token-1", 0), None).await;
    let refused = on("AUTH ", "535 5.7.3 Authentication unsuccessful");
    let run = answering(&service, "AUTH XOAUTH2", &[&refused, &refused]).await;
    assert_eq!((run.finished.stage, run.finished.cause), (Stage::Auth, Some(Cause::Rejected)));
    assert_eq!((service.requests().len(), run.log.lines().iter().filter(|line| line.starts_with("AUTH")).count()), (2, 2));
    assert!(!run.log.has("MAIL"), "{:?}", run.log);
}

#[tokio::test]
async fn a_new_token_that_is_refused_is_not_replaced() {
    let service = Service::new(token("fake-token-1", 3600), None).await;
    let run = answering(&service, "AUTH XOAUTH2", &[&on("AUTH ", "535 5.7.3 Authentication unsuccessful")]).await;
    assert_eq!((run.finished.stage, run.finished.cause), (Stage::Auth, Some(Cause::Rejected)));
    assert_eq!((service.requests().len(), run.log.lines().iter().filter(|line| line.starts_with("AUTH")).count()), (1, 1));
    assert_eq!(run.warnings(), [""; 0]);
}

#[tokio::test]
async fn another_refusal_than_535_asks_for_no_other_token() {
    for reply in ["454 4.7.0 later", "535-no\r\n535 5.7.139 SmtpClientAuthentication is disabled for the Tenant.", "421 4.7.0 bye"]
    {
        let service = Service::in_turn(vec![token("fake-token-1", 3600)]).await;
        let run = answering(&service, "AUTH XOAUTH2", &[&on("AUTH ", reply)]).await;
        assert_eq!((run.finished.stage, service.requests().len()), (Stage::Auth, 1), "{reply}: {:?}", run.finished);
    }
}

#[tokio::test]
async fn what_the_service_says_to_the_second_question_is_told() {
    let gone = json("400 Bad Request", r#"{"error":"invalid_grant","error_codes":[50126],"error_description":"AADSTS50126: no"}"#);
    let service = Service::in_turn(vec![token("fake-token-1", 0), gone]).await;
    let run = answering(&service, "AUTH XOAUTH2", &[&on("AUTH ", "535 5.7.3 Authentication unsuccessful")]).await;
    assert_eq!(run.failure(), (Stage::Token, Some(Cause::TokenPasswordWrong), "oauth_password_wrong"));
    assert_eq!(service.requests().len(), 2);
}

/// Gives tokens that were kept, one after the other, and remembers which were refused.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    asked: Mutex<Vec<Option<String>>>,
}

impl Kept {
    /// Which tokens were refused before each question.
    pub(crate) fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }
}

/// A person signed in for the entry.
pub(crate) fn azure_person(server: &mut SmtpServer) {
    azure(server);
    change(server, |oauth| oauth.strategy = Strategy::AuthorizationCode);
}

#[async_trait]
impl TokenSource for Kept {
    async fn token(&self, client: &TokenClient, refused: Option<&Secret>) -> Result<Granted, Trouble> {
        let asked = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(refused.map(|refused| refused.expose().to_owned()));
            asked.len()
        };
        if asked == 2 {
            return client.refresh(&Secret::new(CANARY.into())).await;
        }
        Ok(Granted {
            token: Secret::new(format!("kept-token-{asked}")),
            refresh: None,
            scopes: Vec::new(),
            seconds: Some(3600),
            account: Some(format!("anna\n{CANARY}@example.com")),
            audience: None,
            at: Instant::now().checked_sub(Duration::from_mins(10)).unwrap(),
        })
    }
}

#[tokio::test]
async fn a_token_that_was_kept_is_replaced_once_and_told_which_one_was_refused() {
    let refused = on("AUTH ", "535 5.7.3 Authentication unsuccessful");
    for (answer, outcome) in [(on("AUTH ", "235 2.7.0 welcome"), Outcome::Sent), (refused.clone(), Outcome::Failed)] {
        let service = Service::new(token("new-token-2", 3600), None).await;
        let after = if outcome == Outcome::Sent { transaction() } else { Vec::new() };
        let peer = Peer::new(vec![[hello("AUTH XOAUTH2"), refused.to_vec(), answer.to_vec(), after].concat()]).await;
        let mut server = entry(peer.address);
        azure_person(&mut server);
        let kept = Arc::new(Kept::default());
        let run = TestRun { tokens: Some(kept.clone()), ..TestRun::new(server, Some(password()), sending()) };
        let mailer = mailer(None).with_authority(service.url());
        let run = carry_out(peer, run, async |run, sink| mailer.run(run, sink).await).await.0;
        assert_eq!(run.outcome(), outcome, "{:?}", run.finished);
        assert_eq!(kept.asked(), [None, Some("kept-token-1".to_owned())]);
        assert_eq!(run.log.lines()[1..3], [xoauth2("kept-token-1"), xoauth2("new-token-2")]);
        let asked = service.requests();
        assert_eq!((asked.len(), asked[0].field("grant_type").as_str()), (1, "refresh_token"));
        let shown = run.shown();
        assert!(shown.contains("kept from before") && shown.contains("valid for 50 minutes"), "{shown}");
        assert!(!shown.contains("-token-"), "{shown}");
    }
}

/// Somebody who takes longer to sign in than a session may take.
#[derive(Debug)]
struct Slow(Duration);

#[async_trait]
impl TokenSource for Slow {
    async fn token(&self, client: &TokenClient, _: Option<&Secret>) -> Result<Granted, Trouble> {
        tokio::time::sleep(self.0).await;
        client
            .clone()
            .with_time(Duration::from_secs(5), Instant::now() + Duration::from_secs(5))
            .refresh(&Secret::new("r".into()))
            .await
    }
}

#[tokio::test]
async fn the_time_that_somebody_takes_to_sign_in_is_none_of_the_sessions() {
    let service = Service::new(token("fake-token-1", 3600), None).await;
    let deadline = SessionDeadline { factor: 1, min: Duration::from_millis(500), max: Duration::from_millis(500) };
    let slow = Arc::new(Slow(Duration::from_millis(700)));
    let script = |last: Vec<Act>| vec![[hello("AUTH XOAUTH2"), on("AUTH ", "235 2.7.0 welcome").to_vec(), last].concat()];
    // The session itself still has its end.
    let never = [Act::Hear("MAIL"), Act::Silence].to_vec();
    for (last, outcome, cause) in [(transaction(), Outcome::Sent, None), (never, Outcome::Failed, Some(Cause::Deadline))] {
        let peer = Peer::new(script(last)).await;
        let mut server = entry(peer.address);
        azure_person(&mut server);
        let run = TestRun { tokens: Some(slow.clone()), ..TestRun::new(server, None, sending()) };
        let mailer = mailer(None).with_authority(service.url()).with_session_deadline(deadline);
        let run = carry_out(peer, run, async |run, sink| mailer.run(run, sink).await).await.0;
        assert_eq!((run.outcome(), run.finished.cause), (outcome, cause), "{:?}", run.finished);
        assert!(run.took < Duration::from_secs(5), "{:?}", run.took);
    }
}

#[tokio::test]
async fn without_somebody_who_signed_in_nobody_is_asked() {
    for strategy in [Strategy::AuthorizationCode, Strategy::DeviceCode] {
        let service = Service::new(granted(), None).await;
        let run = super::stopped(mailer(None).with_authority(service.url()), |server| {
            azure(server);
            change(server, |oauth| oauth.strategy = strategy);
        })
        .await;
        assert_eq!(run.failure(), (Stage::Resolve, Some(Cause::NotSignedIn), "oauth_not_signed_in"));
        assert!(service.requests().is_empty());
    }
}

#[tokio::test]
async fn a_token_for_something_else_is_told_before_and_after_it_is_refused() {
    let made = |audience: &str| {
        let claims = format!(r#"{{"aud":"{audience}","upn":"scan@example.com"}}"#);
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    };
    let graph = "https://graph.microsoft.com";
    let refused = on("AUTH ", "535 5.7.3 Authentication unsuccessful");
    // Whether another token was asked for in between or not.
    for seconds in [3600, 0] {
        let service = Service::new(token(&made(graph), seconds), None).await;
        let answers: &[&[Act]] = if seconds == 0 { &[&refused, &refused] } else { &[&refused] };
        let run = answering(&service, "AUTH XOAUTH2", answers).await;
        assert_eq!(run.failure(), (Stage::Auth, Some(Cause::TokenWrongAudience), "token_wrong_audience"));
        assert_eq!(run.warnings()[0], format!("The token is for {graph}, which is no mail service of Microsoft's."));
        let evidence = run.finished.diagnosis.as_ref().unwrap().evidence.clone().unwrap();
        assert!(evidence.contains("535 5.7.3") && evidence.contains(graph), "{evidence}");
        assert!(run.shown().contains("for scan@example.com") && !run.shown().contains(&made(graph)), "{}", run.shown());
    }
    // Who takes it all the same is not contradicted.
    let service = Service::new(token(&made(graph), 3600), None).await;
    let run = answering(&service, "AUTH XOAUTH2", &[&on("AUTH ", "235 2.7.0 welcome")]).await;
    assert_eq!((run.outcome(), run.warnings().len()), (Outcome::Sent, 1));
    // And the right one is told of as nothing but itself.
    let service = Service::new(token(&made("https://outlook.office.com"), 3600), None).await;
    let run = answering(&service, "AUTH XOAUTH2", &[&refused]).await;
    assert_eq!((run.finished.cause, run.warnings().len()), (Some(Cause::Rejected), 0));
    assert!(run.shown().contains("audience https://outlook.office.com"), "{}", run.shown());
}

#[tokio::test]
async fn nothing_is_said_of_audiences_that_arent_known() {
    let claims = URL_SAFE_NO_PAD.encode(r#"{"aud":"https://sso.example.com"}"#);
    let service = Service::new(token(&format!("e30.{claims}.c2ln"), 3600), None).await;
    let script = [hello("AUTH XOAUTH2"), on("AUTH ", "535 5.7.8 no").to_vec()].concat();
    let mailer = mailer(None).with_authority(service.url());
    let run = run_at(&mailer, Peer::new(vec![script]).await, sending(), password(), |server| {
        azure(server);
        change(server, |oauth| (oauth.provider, oauth.authority) = (Provider::Other, Some(format!("{}/token", service.url()))));
    })
    .await;
    assert_eq!((run.finished.cause, run.warnings().len()), (Some(Cause::Rejected), 0), "{:?}", run.finished);
    assert_eq!(service.requests()[0].path(), "/token");
}
