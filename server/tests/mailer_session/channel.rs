//! One connection for many messages.

use domain::transcript::{Cause, Event, Finished, Outcome, Stage, What};
use server::mailer::Channel;

use super::peer::{Act, Log, Peer, on, say};
use super::{entry, envelope, hello, mailer, transaction};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";

/// Opens a channel to a peer with these scripts, and what came of `work`.
async fn channel<T>(
    scripts: Vec<Vec<Act>>,
    work: impl AsyncFnOnce(&mut Channel<'_, '_>) -> T,
) -> (Result<T, Finished>, Vec<Event>, Log) {
    let peer = Peer::new(scripts).await;
    let mut events = Vec::new();
    let mut sink = |event| events.push(event);
    let result = mailer(None).channel(entry(peer.address), None, &mut sink, work).await;
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
