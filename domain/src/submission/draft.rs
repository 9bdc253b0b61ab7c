//! What an application hands over, and how an entry's rules make a message of it.

use serde::{Deserialize, Serialize};

use super::{MAX_RECIPIENTS, MAX_SUBJECT, MAX_TEXT, Source, Submission, SubmissionError, SubmissionField};
use crate::address::{AddressList, Mailbox};
use crate::fax::{self, FaxSettings};
use crate::smtp_server::SmtpServer;

/// What an application hands over, but for the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubmissionDraft {
    /// The entry's name; the default where it is empty.
    pub server: String,
    /// The sender; the entry's sender address where it is empty.
    pub from: String,
    /// Recipients, each an address or a list of them (RFC 5322 section 3.4); of a fax server numbers, such as `fax:+4930123456`.
    pub to: Vec<String>,
    /// More of them.
    pub cc: Vec<String>,
    /// More of them, which nobody sees.
    pub bcc: Vec<String>,
    /// Whom an answer is for.
    pub reply_to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: Option<String>,
    /// The same as HTML.
    pub html: Option<String>,
    /// What hands it over: `bpm-mail-node`, or nothing.
    pub source: String,
}

/// A part of a submission that is text, by its key.
pub type TextPart = (SubmissionField, String);

type Errors = Vec<(SubmissionField, SubmissionError)>;

impl SubmissionDraft {
    /// Adds what a part of a form says. Lists grow; of anything else the last one counts.
    pub fn put(&mut self, (field, text): TextPart) {
        match field {
            SubmissionField::Server => self.server = text,
            SubmissionField::From => self.from = text,
            SubmissionField::To => self.to.push(text),
            SubmissionField::Cc => self.cc.push(text),
            SubmissionField::Bcc => self.bcc.push(text),
            SubmissionField::ReplyTo => self.reply_to.push(text),
            SubmissionField::Subject => self.subject = text,
            SubmissionField::Text => self.text = Some(text),
            SubmissionField::Html => self.html = Some(text),
            SubmissionField::Source => self.source = text,
            SubmissionField::Attachments => {}
        }
    }

    /// The message that it becomes through `server`.
    ///
    /// # Errors
    /// Everything that is wrong, in the fields' order.
    pub fn check(self, server: &SmtpServer) -> Result<Submission, Errors> {
        let mut errors = Errors::new();
        let fax = server.fax_settings();
        let mut read = |field, texts: &[String]| match of_list(texts, server, fax.as_ref()) {
            Ok(mailboxes) => mailboxes,
            Err(error) => {
                errors.push((field, error));
                Vec::new()
            }
        };
        let to = read(SubmissionField::To, &self.to);
        let cc = read(SubmissionField::Cc, &self.cc);
        let bcc = read(SubmissionField::Bcc, &self.bcc);
        let reply_to = mailboxes(&self.reply_to, server).map_err(|error| errors.push((SubmissionField::ReplyTo, error)));
        let reply_to = reply_to.unwrap_or_default();
        let count = to.len() + cc.len() + bcc.len();
        let named = [SubmissionField::To, SubmissionField::Cc, SubmissionField::Bcc];
        if count == 0 && !errors.iter().any(|(field, _)| named.contains(field)) {
            errors.push((SubmissionField::To, SubmissionError::NoRecipient));
        }
        if count > MAX_RECIPIENTS || reply_to.len() > MAX_RECIPIENTS {
            let count = count.max(reply_to.len());
            errors.push((SubmissionField::To, SubmissionError::TooManyRecipients { count }));
        }
        let source = match self.source.trim() {
            "" => Source::Application,
            "bpm-mail-node" => Source::BpmMailNode,
            text => {
                errors.push((SubmissionField::Source, SubmissionError::NoSuchSource { text: text.to_owned() }));
                Source::Application
            }
        };
        let subject = subject(&self.subject).map_err(|error| errors.push((SubmissionField::Subject, error))).unwrap_or_default();
        for (field, text) in [(SubmissionField::Text, &self.text), (SubmissionField::Html, &self.html)] {
            if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
                errors.push((field, SubmissionError::TooLong));
            }
        }
        let from = match sender(&self.from, server) {
            Ok(from) if errors.is_empty() => from,
            Ok(_) => return Err(sorted(errors)),
            Err(error) => {
                errors.push((SubmissionField::From, error));
                return Err(sorted(errors));
            }
        };
        let mut submission = Submission {
            source,
            from,
            overridden: None,
            reply_to,
            to,
            cc,
            bcc,
            subject,
            text: self.text.filter(|text| !text.is_empty()),
            html: self.html.filter(|html| !html.is_empty()),
        };
        submission.replace_sender(server);
        Ok(submission)
    }
}

impl Submission {
    /// "Override BPM mail node sender address": what a mail node sends is from the entry's sender, and answers go to the node's
    /// own, unless it says otherwise.
    fn replace_sender(&mut self, server: &SmtpServer) {
        let Some(sender) = server.sender.as_ref().filter(|sender| sender.overrides) else { return };
        if self.source != Source::BpmMailNode || self.from.addr() == sender.mailbox.addr() {
            return;
        }
        let own = std::mem::replace(&mut self.from, sender.mailbox.clone());
        if self.reply_to.is_empty() {
            self.reply_to.push(own.clone());
        }
        self.overridden = Some(own);
    }
}

fn sorted(mut errors: Errors) -> Errors {
    errors.sort_by_key(|(field, _)| *field);
    errors.dedup_by_key(|(field, _)| *field);
    errors
}

fn sender(text: &str, server: &SmtpServer) -> Result<Mailbox, SubmissionError> {
    if text.trim().is_empty() {
        return server.sender.as_ref().map(|sender| sender.mailbox.clone()).ok_or(SubmissionError::NoSender);
    }
    let mailbox = Mailbox::parse(text, server.strictness()).map_err(SubmissionError::Address)?;
    if mailbox.addr().is_some() { Ok(mailbox) } else { Err(SubmissionError::AddressWithoutDomain) }
}

/// The recipients of a list: addresses, or what a fax gateway makes of numbers.
fn of_list(texts: &[String], server: &SmtpServer, fax: Option<&FaxSettings>) -> Result<Vec<Mailbox>, SubmissionError> {
    let Some(fax) = fax else { return mailboxes(texts, server) };
    let all = texts.iter().filter(|text| !text.trim().is_empty()).map(|text| fax::recipients(text, fax));
    let all: Vec<Vec<Mailbox>> = all.collect::<Result<_, _>>().map_err(SubmissionError::Fax)?;
    Ok(all.into_iter().flatten().collect())
}

fn mailboxes(texts: &[String], server: &SmtpServer) -> Result<Vec<Mailbox>, SubmissionError> {
    let mut all = Vec::new();
    for text in texts.iter().filter(|text| !text.trim().is_empty()) {
        let list = AddressList::parse(text, server.strictness()).map_err(SubmissionError::Address)?;
        all.extend(list.mailboxes().cloned());
    }
    if all.iter().any(|mailbox| mailbox.addr().is_none()) {
        return Err(SubmissionError::AddressWithoutDomain);
    }
    Ok(all)
}

/// The subject on one line: folds (RFC 5322 section 2.2.3) are removed, tabs are spaces, and nothing else that controls
/// anything is taken.
fn subject(text: &str) -> Result<String, SubmissionError> {
    let unfolded = text.trim().replace("\r\n ", " ").replace("\r\n\t", " ").replace('\t', " ");
    if let Some(character) = unfolded.chars().find(|c| c.is_control()) {
        return Err(SubmissionError::Control { character });
    }
    if unfolded.chars().count() > MAX_SUBJECT { Err(SubmissionError::TooLong) } else { Ok(unfolded) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp_server::{PasswordDraft, ServerDraft};

    fn server(change: impl FnOnce(&mut ServerDraft)) -> SmtpServer {
        let mut draft = ServerDraft::new("mail");
        draft.host = "smtp.example.com".into();
        change(&mut draft);
        draft.check(&PasswordDraft::default()).unwrap().server
    }

    fn plain() -> SmtpServer {
        server(|_| {})
    }

    fn overriding() -> SmtpServer {
        server(|draft| {
            draft.sender = "Office <office@example.com>".into();
            draft.override_sender = true;
        })
    }

    fn draft() -> SubmissionDraft {
        SubmissionDraft { from: "a@example.com".into(), to: vec!["b@example.com".into()], ..SubmissionDraft::default() }
    }

    fn shown(mailboxes: &[Mailbox]) -> Vec<String> {
        mailboxes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let bad = SubmissionDraft {
            from: "nobody".into(),
            to: vec!["a@b@c".into()],
            cc: vec!["x@example.com, y".into()],
            reply_to: vec!["@".into()],
            subject: "a\r\nBcc: evil@example.com".into(),
            source: "printer".into(),
            text: Some("x".repeat(MAX_TEXT + 1)),
            ..SubmissionDraft::default()
        };
        let errors = bad.check(&plain()).unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field.key()).collect();
        assert_eq!(fields, ["from", "to", "cc", "reply_to", "subject", "text", "source"]);
        for (field, error) in errors {
            assert!(!error.sentence(field).is_empty(), "{error:?}");
        }
    }

    #[test]
    fn there_is_a_sender_and_somebody_to_receive_it() {
        let nobody = SubmissionDraft { to: vec![" ".into()], ..draft() };
        assert_eq!(nobody.check(&plain()).unwrap_err(), [(SubmissionField::To, SubmissionError::NoRecipient)]);
        let bcc_alone = SubmissionDraft { to: vec![], bcc: vec!["b@example.com".into()], ..draft() };
        assert!(bcc_alone.check(&plain()).is_ok());
        let unsigned = SubmissionDraft { from: String::new(), ..draft() };
        assert_eq!(unsigned.clone().check(&plain()).unwrap_err(), [(SubmissionField::From, SubmissionError::NoSender)]);
        assert_eq!(unsigned.check(&overriding()).unwrap().from.to_string(), "Office <office@example.com>");
        let many = SubmissionDraft { to: (0..=MAX_RECIPIENTS).map(|n| format!("a{n}@example.com")).collect(), ..draft() };
        let count = MAX_RECIPIENTS + 1;
        assert_eq!(many.check(&plain()).unwrap_err(), [(SubmissionField::To, SubmissionError::TooManyRecipients { count })]);
    }

    #[test]
    fn only_a_mail_nodes_sender_is_replaced_and_answers_still_reach_it() {
        let node = SubmissionDraft { source: "bpm-mail-node".into(), ..draft() };
        let sent = node.clone().check(&overriding()).unwrap();
        assert_eq!(sent.from.to_string(), "Office <office@example.com>");
        assert_eq!(sent.overridden.unwrap().to_string(), "a@example.com");
        assert_eq!(shown(&sent.reply_to), ["a@example.com"]);

        let answered = SubmissionDraft { reply_to: vec!["team@example.com".into()], ..node.clone() }.check(&overriding()).unwrap();
        assert_eq!(shown(&answered.reply_to), ["team@example.com"]);
        assert_eq!(answered.from.to_string(), "Office <office@example.com>");

        let other = draft().check(&overriding()).unwrap();
        assert_eq!((other.from.to_string().as_str(), &other.overridden), ("a@example.com", &None));
        assert!(other.reply_to.is_empty());

        let off = node.clone().check(&plain()).unwrap();
        assert_eq!((off.from.to_string().as_str(), &off.overridden), ("a@example.com", &None));

        let same = SubmissionDraft { from: "Node <office@example.com>".into(), ..node }.check(&overriding()).unwrap();
        assert_eq!((same.from.to_string().as_str(), &same.overridden), ("Node <office@example.com>", &None));
    }

    #[test]
    fn an_address_is_in_the_envelope_once() {
        let twice = SubmissionDraft {
            to: vec!["Team: b@example.com, c@example.com;".into(), "B <b@example.com>".into()],
            cc: vec!["c@example.com".into()],
            bcc: vec!["d@example.com".into()],
            ..draft()
        };
        let sent = twice.check(&plain()).unwrap();
        assert_eq!(shown(&sent.recipients()), ["b@example.com", "c@example.com", "d@example.com"]);
        assert_eq!(sent.to.len(), 3);
    }

    #[test]
    fn strict_and_lenient_entries_read_addresses_as_they_say() {
        let odd = SubmissionDraft { to: vec!["john..doe@example.com; mailto:x@example.com".into()], ..draft() };
        assert!(matches!(odd.clone().check(&plain()).unwrap_err()[..], [(SubmissionField::To, SubmissionError::Address(_))]));
        let lenient = server(|draft| draft.mime_address_strict = false);
        assert_eq!(odd.check(&lenient).unwrap().to.len(), 2);
    }

    #[test]
    fn a_fax_is_for_numbers() {
        let fax = server(|draft| {
            draft.kind = "fax".into();
            draft.host = "fax.example.com".into();
            draft.fax_country = "DE".into();
        });
        let to = ["fax:+4930123456, 030 123457", "tel:+49-30-123458", "4930@fax.example.com"].map(str::to_owned).to_vec();
        let sent = SubmissionDraft { to, ..draft() }.check(&fax).unwrap();
        assert_eq!(
            shown(&sent.recipients()),
            [
                "FAX=+4930123456@fax.example.com",
                "FAX=+4930123457@fax.example.com",
                "FAX=+4930123458@fax.example.com",
                "4930@fax.example.com"
            ]
        );
        let wrong = SubmissionDraft { to: vec!["anna".into()], ..draft() }.check(&fax).unwrap_err();
        assert!(matches!(wrong[..], [(SubmissionField::To, SubmissionError::Fax(_))]), "{wrong:?}");
        let to_mail = SubmissionDraft { to: vec!["fax:+4930123456".into()], ..draft() };
        assert!(matches!(to_mail.check(&plain()).unwrap_err()[..], [(SubmissionField::To, _)]), "a mail server takes no numbers");
    }

    #[test]
    fn a_subject_is_one_line() {
        for (typed, kept) in [("  a b ", "a b"), ("a\r\n b", "a b"), ("a\tb", "a b"), ("Grüße 🎉", "Grüße 🎉"), ("", "")] {
            assert_eq!(subject(typed).as_deref(), Ok(kept), "{typed:?}");
        }
        for (typed, character) in [("a\nb", '\n'), ("a\r\nBcc: x@example.com", '\r'), ("a\0", '\0'), ("a\u{85}b", '\u{85}')] {
            assert_eq!(subject(typed), Err(SubmissionError::Control { character }), "{typed:?}");
        }
        assert_eq!(subject(&"é".repeat(MAX_SUBJECT + 1)), Err(SubmissionError::TooLong));
    }
}
