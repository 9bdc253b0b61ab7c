//! The pages of a link: what whoever follows it sees, who has no account and knows nothing of Postroom. They stand alone, without header,
//! program or anything that leads elsewhere, and in the language of the entry.

use domain::error::Problem;
use domain::link::{Language, Offer};
use domain::words;
use leptos::prelude::*;

/// What is shown at the address of a link.
#[derive(Clone, Debug, PartialEq)]
pub enum DownloadPage {
    /// A file, with the button that downloads it.
    Offer(Offer),
    /// That there is nothing. It is the same page whatever the reason, so it says so in every language.
    Gone,
    /// That something else keeps it from being shown.
    Failed(Problem),
}

impl DownloadPage {
    /// The whole document.
    pub fn document(self, stylesheet: Option<String>) -> String {
        Owner::new().with(|| {
            let style = stylesheet.map(|href| view! { <link rel="stylesheet" href=href/> });
            let (language, title, content) = match self {
                Self::Offer(offer) => (offer.language, offer.name.clone(), offered(offer).into_any()),
                Self::Gone => (Language::English, Language::English.page().gone_title.to_owned(), gone().into_any()),
                Self::Failed(problem) => (Language::English, "Postroom".to_owned(), failed(&problem).into_any()),
            };
            view! {
                <!DOCTYPE html>
                <html lang=language.key()>
                    <head>
                        <meta charset="utf-8"/>
                        <meta name="viewport" content="width=device-width, initial-scale=1"/>
                        <meta name="color-scheme" content="light dark"/>
                        <meta name="robots" content="noindex"/>
                        <title>{title}</title>
                        {style}
                    </head>
                    <body>
                        <main class="page narrow download">{content}</main>
                    </body>
                </html>
            }
            .to_html()
        })
    }
}

fn offered(offer: Offer) -> impl IntoView {
    let Offer { name, size, sender, expires_ms, language, now_ms } = offer;
    let said = language.page();
    let exactly = format!("{} B", words::grouped(size));
    view! {
        <p class="muted">{said.title}</p>
        <h1><bdi>{name}</bdi></h1>
        <dl class="facts">
            <div><dt>{said.size}</dt><dd title=exactly>{language.size(size)}</dd></div>
            <div><dt>{said.sender}</dt><dd><bdi>{sender}</bdi></dd></div>
            <div>
                <dt>{said.until}</dt>
                <dd>{language.minute(expires_ms)} <span class="muted">" (" {language.until(now_ms, expires_ms)} ")"</span></dd>
            </div>
        </dl>
        <form method="post"><button class="primary">{said.download}</button></form>
        <p class="help">{said.advice}</p>
    }
}

fn gone() -> impl IntoView {
    let rest: Vec<_> =
        Language::ALL.into_iter().map(|language| view! { <p lang=language.key()>{language.page().gone}</p> }).collect();
    view! { <h1>{Language::English.page().gone_title}</h1> {rest} }
}

fn failed(problem: &Problem) -> impl IntoView + use<> {
    view! { <h1>"That didn't work"</h1> <p>{words::problem(problem)}</p> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_speaks_the_language_of_the_link_and_nothing_on_it_is_markup_of_others() {
        let offer = Offer {
            name: "<b>a&b</b>\".pdf".into(),
            size: 1_468_006,
            sender: "<script>x</script>".into(),
            expires_ms: 1_795_442_700_000,
            language: Language::German,
            now_ms: 1_795_442_700_000 - 3_600_000,
        };
        let html = DownloadPage::Offer(offer).document(Some("/assets/main.css".into()));
        for part in [
            r#"<html lang="de">"#,
            r#"<link rel="stylesheet" href="/assets/main.css""#,
            "Herunterladen",
            "1,4 MB",
            "23. November 2026, 14:05 Uhr (UTC)",
            "in 1 Stunde",
            "&lt;b&gt;a&amp;b&lt;/b&gt;",
            r#"<form method="post">"#,
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        for part in ["<b>", "<script", "<header", "<nav", "style="] {
            assert!(!html.contains(part), "{part}: {html}");
        }
    }

    #[test]
    fn that_there_is_nothing_is_said_in_every_language() {
        let html = DownloadPage::Gone.document(None);
        for language in Language::ALL {
            assert!(html.contains(&format!(r#"<p lang="{}">"#, language.key())), "{html}");
        }
        assert!(!html.contains("<form") && !html.contains("<a "), "{html}");
    }
}
