//! One connection for many messages.

use std::sync::Arc;

use domain::smtp_server::StartTls;
use domain::transcript::{Cause, Event, Finished, Outcome, Security, Stage, What};
use server::mailer::{Channel, Mailer, TestRun, Trust, TrustList};

use super::canary;
use super::peer::{Act, Authority, Log, Peer, on, say};
use super::sign_in_service::Service;
use super::token::{Kept, azure_person, password, token, xoauth2};
use super::{HOST, ehlo, entry, envelope, hello, mailer, sending, smtp, transaction};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";

/// Opens a channel to a peer with these scripts, and what came of `work`.
async fn channel<T>(
    scripts: Vec<Vec<Act>>,
    work: impl AsyncFnOnce(&mut Channel<'_, '_>) -> T,
) -> (Result<T, Finished>, Vec<Event>, Log) {
    channel_with(&mailer(None), scripts, |_| {}, work).await
}

/// The same through another mailer, with a run changed by `change`.
async fn channel_with<T>(
    mailer: &Mailer,
    scripts: Vec<Vec<Act>>,
    change: impl FnOnce(&mut TestRun),
    work: impl AsyncFnOnce(&mut Channel<'_, '_>) -> T,
) -> (Result<T, Finished>, Vec<Event>, Log) {
    let peer = Peer::new(scripts).await;
    let mut events = Vec::new();
    let mut sink = |event| events.push(event);
    // How far it is to go doesn't matter.
    let mut run = TestRun::new(entry(peer.address), None, sending());
    change(&mut run);
    let result = mailer.channel(run, &mut sink, work).await;
    (result, events, peer.log().await)
}

async fn send(channel: &mut Channel<'_, '_>) -> Finished {
    channel.send(&envelope(&["anna@example.org"]), &MESSAGE.into()).await
}

#[tokio::test]
async fn messages_share_a_connection_and_a_refused_one_costs_only_itself() {
    let script = [
        hello("PIPELINING"),
        transaction(),
        on("MAIL", "250 ok").to_vec(),
        on("RCPT", "550 5.1.1 unknown").to_vec(),
        on("DATA", "354 go on, with nobody").to_vec(),
        vec![Act::HearMessage, say("554 no valid recipients")],
        on("RSET", "250 ok").to_vec(),
        transaction(),
        on("QUIT", "221 bye").to_vec(),
    ]
    .concat();
    let (result, events, log) =
        channel(vec![script], async |channel| [send(channel).await, send(channel).await, send(channel).await]).await;
    let all = result.unwrap();
    assert_eq!(all.each_ref().map(|f| f.outcome), [Outcome::Sent, Outcome::Failed, Outcome::Sent]);
    assert_eq!(all[1].diagnosis.as_ref().unwrap().kind, "unknown_recipient");
    // Nothing of one message shows in the next one's result.
    assert_eq!(all[2].recipients.len(), 1);
    assert_eq!((&all[2].diagnosis, all[2].cause), (&None, None));
    assert_eq!(log.connections.len(), 1);
    let lines = log.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("MESSAGE\n.dot") || line.contains("\n.dot")).count(), 2, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| **line == "RSET").count(), 1);
    assert_eq!(lines.last(), Some(&"QUIT"));
    let finished = events.iter().filter(|event| matches!(event.what, What::Finished(_))).count();
    assert_eq!(finished, 3);
}

#[tokio::test]
async fn a_channel_whose_end_is_in_doubt_is_not_used_again() {
    let script = [
        hello(""),
        on("MAIL", "250 ok").to_vec(),
        on("RCPT", "250 ok").to_vec(),
        on("DATA", "354 go on").to_vec(),
        vec![Act::HearMessage, Act::Close],
    ]
    .concat();
    let (result, _, log) = channel(vec![script], async |channel| {
        let first = send(channel).await;
        (first, channel.is_open(), send(channel).await)
    })
    .await;
    let (first, is_open, second) = result.unwrap();
    assert_eq!((first.outcome, first.stage), (Outcome::Unknown, Stage::Accepted));
    assert!(!is_open);
    assert_eq!((second.outcome, second.cause), (Outcome::Failed, Some(Cause::Closed)));
    assert_eq!(log.connections.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_opened_gives_nobody_anything_to_do() {
    let (result, events, log) = channel(vec![vec![say("554 5.7.1 go away")]], async |_| "worked").await;
    assert_eq!(result.unwrap_err().stage, Stage::Greeting);
    assert!(matches!(events.last().unwrap().what, What::Finished(_)));
    assert!(!log.has("MAIL"));
}

#[tokio::test]
async fn a_channel_trusts_and_shows_what_its_run_says() {
    let (ours, clients) = (Authority::new("Ours"), Authority::new("Clients"));
    let scanner = clients.issue(&[], |_| {});
    let asking = ours.issue(&[HOST], |_| {}).server_asking(&rustls::version::TLS13, &clients, true);
    let script = [
        hello("STARTTLS"),
        on("STARTTLS", "220 go").to_vec(),
        vec![Act::Handshake(asking)],
        ehlo("PIPELINING").to_vec(),
        transaction(),
        transaction(),
        on("QUIT", "221 bye").to_vec(),
    ]
    .concat();
    let trusting = |authorities: &[&Authority]| {
        let authorities = authorities.iter().map(|authority| authority.der()).collect();
        Some(Arc::new(Trust::new(TrustList { authorities, ..TrustList::default() })))
    };
    let change = |run: &mut TestRun| {
        run.server.protocol = smtp(StartTls::EnabledAndRequired);
        (run.trust, run.client) = (trusting(&[&ours]), Some(scanner.as_client()));
    };
    let (result, _, log) =
        channel_with(&mailer(None), vec![script.clone()], change, async |channel| [send(channel).await, send(channel).await]).await;
    for finished in result.unwrap() {
        assert_eq!((finished.outcome, finished.security), (Outcome::Sent, Security::Tls13));
        assert!(finished.upgraded && finished.trusted_by.is_some(), "each message tells what protected it");
    }
    assert_eq!(log.hellos[0].client, [scanner.der()]);
    assert!(!log.has_in_clear("MAIL"));

    // Whoever isn't trusted is shown nothing and told nothing.
    let change = |run: &mut TestRun| {
        run.server.protocol = smtp(StartTls::EnabledAndRequired);
        (run.trust, run.client) = (trusting(&[&clients]), Some(scanner.as_client()));
    };
    let (result, _, log) = channel_with(&mailer(None), vec![script], change, async |_| ()).await;
    assert_eq!(result.unwrap_err().cause, Some(Cause::UnknownIssuer));
    assert!(log.hellos.is_empty() && !log.has("MAIL"));
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_replaced_once_for_a_channel_too() {
    let service = Service::new(token("new-token-2", 3600), None).await;
    let refused = on("AUTH ", "535 5.7.3 Authentication unsuccessful");
    let welcome = on("AUTH ", "235 2.7.0 welcome");
    let script = [hello("AUTH XOAUTH2"), refused.to_vec(), welcome.to_vec(), transaction(), transaction()].concat();
    let kept = Arc::new(Kept::default());
    let change = |run: &mut TestRun| {
        azure_person(&mut run.server);
        run.tokens = Some(kept.clone());
        run.credential = Some(password());
    };
    let mailer = mailer(None).with_authority(service.url());
    let (result, events, log) =
        channel_with(&mailer, vec![script], change, async |channel| [send(channel).await, send(channel).await]).await;
    assert_eq!(result.unwrap().map(|finished| finished.outcome), [Outcome::Sent; 2]);
    assert_eq!(kept.asked(), [None, Some("kept-token-1".to_owned())]);
    assert_eq!(log.lines()[1..3], [xoauth2("kept-token-1"), xoauth2("new-token-2")]);
    assert_eq!(service.requests().len(), 1);
    let shown = serde_json::to_string(&events).unwrap();
    assert!(!shown.contains("-token-") && canary::found_in(&shown).is_none(), "{shown}");
}
