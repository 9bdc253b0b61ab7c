//! What stands in a message in the place of its files: every file with its size, its link and when that ends.

use super::{Language, safe_name};
use crate::submission::LinkMade;

/// The text and the HTML of a message with links in them: at the end of the text, and in the HTML before its body ends. A message that
/// has neither gets a text.
pub fn with_links(
    text: Option<String>,
    html: Option<String>,
    language: Language,
    links: &[LinkMade],
) -> (Option<String>, Option<String>) {
    if links.is_empty() {
        return (text, html);
    }
    let html = html.map(|html| insert(&html, &html_block(language, links)));
    let block = text_block(language, links);
    let text = match text {
        Some(text) if text.trim().is_empty() => Some(block),
        Some(text) => Some(format!("{}\n\n{block}", text.trim_end())),
        None if html.is_none() => Some(block),
        None => None,
    };
    (text, html)
}

/// The links as text.
pub fn text_block(language: Language, links: &[LinkMade]) -> String {
    let each = links.iter().map(|link| {
        let (name, size, until) = line(language, link);
        format!("\n{name} ({size})\n{}\n{until}\n", link.url)
    });
    format!("-----\n{}\n{}", heading(language, links.len()), each.collect::<String>())
}

/// The links as HTML: one element, with everything in it that comes from elsewhere escaped.
pub fn html_block(language: Language, links: &[LinkMade]) -> String {
    let each = links.iter().map(|link| {
        let (name, size, until) = line(language, link);
        let [url, name, size, until] = [&link.url, &name, &size, &until].map(|text| escaped(text));
        format!("<li><a href=\"{url}\"><bdi>{name}</bdi></a> ({size})<br>{until}</li>\r\n")
    });
    format!(
        "<div lang=\"{}\" style=\"margin-top:16px;padding-top:8px;border-top:1px solid #999\">\r\n<p>{}</p>\r\n<ul>\r\n{}</ul>\r\n</div>\r\n",
        language.key(),
        escaped(&heading(language, links.len())),
        each.collect::<String>()
    )
}

fn heading(language: Language, count: usize) -> String {
    match (language, count) {
        (Language::English, 1) => "A file for you to download:".into(),
        (Language::English, count) => format!("{count} files for you to download:"),
        (Language::German, 1) => "Eine Datei zum Herunterladen:".into(),
        (Language::German, count) => format!("{count} Dateien zum Herunterladen:"),
        (Language::Italian, 1) => "Un file da scaricare:".into(),
        (Language::Italian, count) => format!("{count} file da scaricare:"),
    }
}

/// The name, the size, and until when.
fn line(language: Language, link: &LinkMade) -> (String, String, String) {
    let minute = language.minute(link.expires_ms);
    let until = match language {
        Language::English => format!("Available until {minute}"),
        Language::German => format!("Verfügbar bis {minute}"),
        Language::Italian => format!("Disponibile fino al {minute}"),
    };
    (safe_name(&link.name), language.size(link.size), until)
}

/// Text in HTML: element or attribute.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}

/// `html` with `block` before the last end tag of its body; of the document, where the body has none; else at the end.
fn insert(html: &str, block: &str) -> String {
    let at = last_end_tag(html, "body").or_else(|| last_end_tag(html, "html")).unwrap_or(html.len());
    let (before, after) = html.split_at(at);
    [before, "\r\n", block, after].concat()
}

/// Where the last end tag of an element begins.
fn last_end_tag(html: &str, name: &str) -> Option<usize> {
    let bytes = html.as_bytes();
    html.rmatch_indices("</").map(|(at, _)| at).find(|at| {
        let Some((found, after)) = bytes[at + 2..].split_at_checked(name.len()) else { return false };
        found.eq_ignore_ascii_case(name.as_bytes())
            && after.first().is_none_or(|c| c.is_ascii_whitespace() || *c == b'>' || *c == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> LinkMade {
        let url = "https://files.example.com/d/abc?a&b".into();
        LinkMade { name: name.into(), size: 1_468_006, url, expires_ms: 1_795_442_700_000 }
    }

    #[test]
    fn the_text_names_every_file_with_its_size_its_link_and_its_end() {
        assert_eq!(
            text_block(Language::English, &[link("report.pdf"), link("b\r\nX: y.pdf")]),
            "-----\n2 files for you to download:\n\n\
             report.pdf (1.4 MB)\nhttps://files.example.com/d/abc?a&b\nAvailable until 23 November 2026, 14:05 UTC\n\n\
             bX_ y.pdf (1.4 MB)\nhttps://files.example.com/d/abc?a&b\nAvailable until 23 November 2026, 14:05 UTC\n"
        );
        let german = text_block(Language::German, &[link("a.pdf")]);
        assert!(german.contains("Eine Datei zum Herunterladen:") && german.contains("a.pdf (1,4 MB)"), "{german}");
        assert!(german.contains("Verfügbar bis 23. November 2026, 14:05 Uhr (UTC)"), "{german}");
        let italian = text_block(Language::Italian, &[link("a.pdf"), link("b.pdf")]);
        assert!(italian.contains("2 file da scaricare:") && italian.contains("fino al 23 novembre 2026"), "{italian}");
    }

    #[test]
    fn nothing_in_the_html_is_markup_of_others() {
        let block = html_block(Language::German, &[link("a&b'<script>.pdf")]);
        assert!(block.starts_with("<div lang=\"de\"") && block.ends_with("</div>\r\n"), "{block}");
        assert!(block.contains("<bdi>a&amp;b&#39;_script_.pdf</bdi>"), "{block}");
        assert!(block.contains("href=\"https://files.example.com/d/abc?a&amp;b\""), "{block}");
        assert!(block.is_ascii() || block.contains("Verfügbar"), "{block}");
    }

    #[test]
    fn the_block_stands_at_the_end_of_what_is_read() {
        let (language, links) = (Language::English, [link("a.pdf")]);
        let (text_block, html_block) = (text_block(language, &links), html_block(language, &links));
        let with =
            |text: Option<&str>, html: Option<&str>| with_links(text.map(Into::into), html.map(Into::into), language, &links);
        assert_eq!(with(Some("Hello\n\n"), None), (Some(format!("Hello\n\n{text_block}")), None));
        assert_eq!(with(Some(" \n"), None), (Some(text_block.clone()), None));
        assert_eq!(with(None, None), (Some(text_block.clone()), None));
        assert_eq!(with(None, Some("<p>Hello")), (None, Some(format!("<p>Hello\r\n{html_block}"))));
        let both = with(Some("Hello"), Some("<html><body>Hello</BODY ></html>"));
        assert_eq!(both.0, Some(format!("Hello\n\n{text_block}")));
        assert_eq!(both.1, Some(format!("<html><body>Hello\r\n{html_block}</BODY ></html>")));
        for (html, before) in [
            ("<body>a</body><!-- </body> -->", "<body>a</body><!-- "),
            ("<p>ä</bodyguard></html>", "<p>ä</bodyguard>"),
            ("<p>a</bod", "<p>a</bod"),
            ("</body", ""),
            ("", ""),
        ] {
            let (_, inserted) = with(None, Some(html));
            assert_eq!(inserted, Some(format!("{before}\r\n{html_block}{}", &html[before.len()..])), "{html}");
        }
        assert_eq!(with_links(None, None, language, &[]), (None, None), "nothing to name, nothing to say");
    }
}
