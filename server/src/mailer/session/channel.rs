//! One connection for many messages.

use domain::smtp_server::{Envelope, Mode};
use domain::transcript::{Aim, Event, Finished, Outcome, Reply, Security, Stage};

use super::{Instant, Reached, Session, Stop, kept, queue_id};
use crate::mailer::message::Message;
use crate::mailer::record::Recorder;
use crate::mailer::{Mailer, TestRun};

/// An open connection to an entry's server, signed in. It comes from [`Mailer::channel`].
pub struct Channel<'c, 's> {
    session: Session<'c, 's>,
}

impl Mailer {
    /// Connects as `run` says, encrypts and signs in, gives the open channel to `work`, and says goodbye afterwards. How far `run`
    /// itself is to go doesn't matter. `sink` gets the events of all of it: those of the opening, then those of each message up to
    /// its [`Finished`]. Dropping the future breaks off.
    ///
    /// # Errors
    /// How it ended where the channel could not be opened; `work` was not called then.
    pub async fn channel<T>(
        &self,
        run: TestRun,
        sink: &mut (dyn FnMut(Event) + Send),
        work: impl AsyncFnOnce(&mut Channel<'_, '_>) -> T,
    ) -> Result<T, Finished> {
        let run = TestRun { mode: Mode::Check(None), ..run };
        let mut record = run.recorder(sink);
        let mut channel = self.open(&run, &mut record).await?;
        let result = work(&mut channel).await;
        channel.close().await;
        Ok(result)
    }

    /// The open channel alone; how far `run` is to go has to be [`Mode::Check`] of nobody.
    ///
    /// # Errors
    /// As [`Mailer::channel`].
    pub(crate) async fn open<'c, 's>(
        &'c self,
        run: &'c TestRun,
        record: &'c mut Recorder<'s>,
    ) -> Result<Channel<'c, 's>, Finished> {
        let mut session = Session::new(self, run, record);
        // Messages follow.
        session.known.aim = Aim::Send;
        match session.open().await {
            Ok(_) => Ok(Channel { session }),
            Err(stop) => {
                session.fail(stop);
                session.quit().await;
                session.record.finish(session.known.clone());
                Err(session.known)
            }
        }
    }
}

impl Channel<'_, '_> {
    /// What protects it.
    pub fn security(&self) -> Security {
        self.session.known.security
    }

    /// Says goodbye, where there is still somebody to say it to.
    pub(crate) async fn close(mut self) {
        self.session.renew();
        self.session.quit().await;
    }

    /// Whether another message can be sent. A server may still close the connection at any time.
    pub fn is_open(&self) -> bool {
        self.session.connection.is_some()
    }

    /// Sends a message (RFC 5322, as it is to be delivered) to its recipients. What is returned is also the last event. A
    /// message that is refused leaves the channel open for the next one; anything that leaves in doubt what the server takes
    /// the next bytes for closes it. Each message has the deadline of a run of its own.
    pub async fn send(&mut self, envelope: &Envelope, message: &Message<'_>) -> Finished {
        let session = &mut self.session;
        session.renew();
        match session.transact(envelope, message).await {
            Ok(Reached { outcome, stage, reply }) => {
                (session.known.outcome, session.known.stage, session.known.reply) = (outcome, stage, reply.map(kept));
            }
            Err(stop) => {
                session.fail(stop);
                session.reset().await;
            }
        }
        let finished = session.known.clone();
        session.record.finish(finished.clone());
        finished
    }
}

impl Session<'_, '_> {
    /// Another message, or the goodbye: what was known of the last one is of no interest, what protects the connection is.
    fn renew(&mut self) {
        self.record.renew();
        self.message_size = None;
        self.timer.end = Instant::now() + self.mailer.session_deadline.of(self.timer.step);
        let before = std::mem::replace(&mut self.known, Finished::new(Outcome::Failed, Stage::MailFrom));
        self.known.security = before.security;
        self.known.upgraded = before.upgraded;
        self.known.downgrade = before.downgrade;
        self.known.certificate = before.certificate;
        self.known.trusted_by = before.trusted_by;
    }

    /// From MAIL to the reply to the final dot.
    pub(super) async fn transact(&mut self, envelope: &Envelope, message: &Message<'_>) -> Result<Reached, Stop> {
        self.envelope(envelope, Some(message)).await?;
        let reply = self.hand_over(message).await?;
        self.known.queue_id = queue_id(&reply);
        Ok(Reached { outcome: Outcome::Sent, stage: Stage::Accepted, reply: Some(reply) })
    }

    /// After a failure: takes back what the server may remember of the message, or gives the connection up.
    async fn reset(&mut self) {
        let closes = |reply: &Reply| reply.code == 421;
        if self.connection.is_none() {
            return;
        }
        if self.known.reply.as_ref().is_some_and(closes) || self.settle().await.is_err() {
            self.connection = None;
            return;
        }
        if !self.command("RSET").await.is_ok_and(|reply| reply.is_positive()) {
            self.connection = None;
        }
    }
}
