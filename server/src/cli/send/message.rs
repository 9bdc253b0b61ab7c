//! A message on standard input (RFC 5322), as `sendmail -t` takes it: its fields say who it is from and for.

use domain::submission::SubmissionField;
use mail_parser::{Address, Message, MessageParser, MimeHeaders as _, PartType};

use super::{Content, File, Parts};

/// What a message says, and the files in it.
///
/// # Errors
/// The sentence about what can't be read.
pub(super) fn read(bytes: &[u8]) -> Result<Parts, String> {
    let unreadable = || {
        "Standard input holds no message. Give one with its header fields (From, To, Subject), a blank line and the text; or use options."
            .to_owned()
    };
    let message = MessageParser::default().parse(bytes).filter(|message| !message.headers().is_empty()).ok_or_else(unreadable)?;
    let mut texts = Vec::new();
    let lists = [
        (SubmissionField::From, message.from()),
        (SubmissionField::To, message.to()),
        (SubmissionField::Cc, message.cc()),
        (SubmissionField::Bcc, message.bcc()),
        (SubmissionField::ReplyTo, message.reply_to()),
    ];
    for (field, address) in lists {
        texts.extend(address.map(mailboxes).unwrap_or_default().into_iter().map(|mailbox| (field, mailbox)));
    }
    texts.extend(message.subject().map(|subject| (SubmissionField::Subject, subject.to_owned())));
    texts.extend(body(&message, false).map(|text| (SubmissionField::Text, text)));
    texts.extend(body(&message, true).map(|html| (SubmissionField::Html, html)));
    let files = message.attachments().map(|part| {
        let content_type = part.content_type().map(|kind| match kind.subtype() {
            Some(subtype) => format!("{}/{subtype}", kind.ctype()),
            None => String::new(),
        });
        File {
            name: part.attachment_name().unwrap_or("attachment").to_owned(),
            content_type: content_type.unwrap_or_default(),
            content: Content::Bytes(part.contents().to_vec()),
        }
    });
    let files = files.collect();
    Ok(Parts { texts, files })
}

/// The mailboxes of a field, each as text that is read again: its name quoted, its address as it is.
fn mailboxes(address: &Address<'_>) -> Vec<String> {
    let mailbox = |addr: &mail_parser::Addr<'_>| {
        let address = addr.address.as_deref().unwrap_or_default();
        match addr.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => format!("\"{}\" <{address}>", name.replace('\\', "\\\\").replace('"', "\\\"")),
            None => address.to_owned(),
        }
    };
    match address {
        Address::List(list) => list.iter().map(mailbox).collect(),
        Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).map(mailbox).collect(),
    }
}

/// The text, or the HTML, that the message itself has: neither is made of the other.
fn body(message: &Message<'_>, html: bool) -> Option<String> {
    let mut parts = if html { message.html_body.iter() } else { message.text_body.iter() };
    parts.find_map(|number| match &message.part(*number)?.body {
        PartType::Text(text) if !html => Some(text.to_string()),
        PartType::Html(text) if html => Some(text.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &Parts, field: SubmissionField) -> Vec<&str> {
        parts.texts.iter().filter(|(of, _)| *of == field).map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn a_message_says_who_it_is_from_and_for() {
        let parts = read(
            b"From: Scan <scan@example.com>\r\nTo: Team: a@example.org, \"B, \\\"C\\\"\" <b@example.org>;\r\nBcc: c@example.org\r\n\
              Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n",
        )
        .unwrap();
        assert_eq!(texts(&parts, SubmissionField::From), ["\"Scan\" <scan@example.com>"]);
        assert_eq!(texts(&parts, SubmissionField::To), ["a@example.org", "\"B, \\\"C\\\"\" <b@example.org>"]);
        assert_eq!(texts(&parts, SubmissionField::Bcc), ["c@example.org"]);
        assert_eq!(texts(&parts, SubmissionField::Subject), ["Grüße"]);
        assert_eq!(texts(&parts, SubmissionField::Text), ["Hello\r\n"]);
        assert!(texts(&parts, SubmissionField::Html).is_empty(), "none is made of the text");
        assert!(parts.files.is_empty());
    }

    #[test]
    fn both_texts_and_files_are_found() {
        let parts = read(
            b"From: a@example.com\nTo: b@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n\
              --x\nContent-Type: multipart/alternative; boundary=y\n\n--y\nContent-Type: text/plain\n\nHello\n--y\nContent-Type: text/html\n\n\
              <p>Hello</p>\n--y--\n--x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\
              Content-Transfer-Encoding: base64\n\naGVsbG8=\n--x--\n",
        )
        .unwrap();
        assert_eq!(texts(&parts, SubmissionField::Text).concat().trim(), "Hello");
        assert_eq!(texts(&parts, SubmissionField::Html).concat().trim(), "<p>Hello</p>");
        let [file] = &parts.files[..] else { panic!("{} files", parts.files.len()) };
        assert_eq!((file.name.as_str(), file.content_type.as_str()), ("a.pdf", "application/pdf"));
        assert!(matches!(&file.content, Content::Bytes(bytes) if bytes == b"hello"));
    }

    #[test]
    fn what_is_no_message_is_told() {
        assert!(read(b"").is_err());
    }
}
