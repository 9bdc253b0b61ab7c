//! The page of links, for those who look after them.

use app::backend::Links;
use domain::link::{BaseWarning, Download, Link, LinkId, LinkState, LinksPage, LinksQuery};
use domain::submission::SubmissionId;

use super::access::location;
use super::*;

const DAY_MS: u64 = 86_400_000;

fn link(id: u64, state: LinkState) -> Link {
    let at = |minutes: u64, address: &str| Download { at_ms: NOW - minutes * 60_000, address: address.into() };
    Link {
        id: LinkId(id),
        message: SubmissionId(40 + id),
        entry: EntryId(1),
        server: "mail".into(),
        name: format!("report-{id}{HOSTILE}.pdf"),
        size: 1_468_006,
        sender: format!("Anna{HOSTILE} <anna@example.com>"),
        created_ms: NOW - 2 * DAY_MS,
        expires_ms: if state == LinkState::Expired { NOW - 1 } else { NOW + 28 * DAY_MS },
        revoked_ms: (state == LinkState::Revoked).then_some(NOW - 60_000),
        state,
        downloads: 1234,
        last: vec![at(5, "198.51.100.1"), at(90, "")],
    }
}

#[async_trait]
impl Links for Fake {
    async fn links(&self, query: LinksQuery) -> Result<LinksPage, Problem> {
        let links = match query.search.as_str() {
            "nothing" => vec![],
            _ => vec![link(3, LinkState::Revoked), link(2, LinkState::Expired), link(1, LinkState::Live)],
        };
        let next = (query.search == "more").then_some(LinkId(1));
        let warnings = if query.search == "here" { vec![BaseWarning::ThisMachineOnly, BaseWarning::NotEncrypted] } else { vec![] };
        let base = "https://files.example.com".into();
        Ok(LinksPage { total: links.len() as u64, links, next, used: 3 << 20, base, warnings, now_ms: NOW })
    }

    async fn link(&self, id: LinkId) -> Result<Link, Problem> {
        match id.0 {
            1 => Ok(link(1, LinkState::Live)),
            2 => Ok(link(2, LinkState::Expired)),
            _ => Err(Problem::NoSuchLink(id)),
        }
    }

    async fn revoke_link(&self, id: LinkId) -> Result<Link, Problem> {
        if id.0 != 1 {
            return Err(Problem::NoSuchLink(id));
        }
        self.note(format!("revoke link {id}"));
        Ok(link(1, LinkState::Revoked))
    }

    async fn extend_link(&self, id: LinkId, days: u64) -> Result<Link, Problem> {
        if !(1..=365).contains(&days) {
            let error = FieldError::OutOfRange { text: days.to_string(), min: 1, max: 365 };
            return Err(Problem::Invalid(FieldErrors::one(Field::LinkDays, error)));
        }
        if id.0 != 1 {
            return Err(Problem::NoSuchLink(id));
        }
        self.note(format!("extend link {id} {days}"));
        Ok(link(1, LinkState::Live))
    }
}

#[tokio::test]
async fn links_are_shown_with_their_downloads_and_nothing_of_them_is_markup() {
    let site = Site::new();
    let answer = site.get("/links?search=more&state=live").await;
    assert_eq!(answer.status, StatusCode::OK);
    for part in [
        r#"<a href="/links" aria-current="page">Links</a>"#,
        "3 links are remembered; files take 3 MB.",
        "1.4 MB",
        r#"href="/messages/41""#,
        "1\u{202f}234",
        "198.51.100.1",
        "5 minutes ago",
        "in 28 days",
        r#"class="state good">Live"#,
        r#"class="state neutral">Expired"#,
        r#"class="state warning">Revoked"#,
        r#"href="/links?search=more&amp;state=live&amp;before=1""#,
        r#"<option value="live" selected"#,
        r#"href="/links/1/revoke""#,
        r#"action="/links/1/extend""#,
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    for part in ["<script>alert", r#"href="/links/2/revoke""#, r#"action="/links/3/extend""#, "notice warning"] {
        assert!(!answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(site.get("/links?search=nothing").await.body.contains("Nothing fits."));
    let warned = site.get("/links?search=here").await.body;
    assert!(warned.contains("lead to this machine only") && warned.contains("aren't encrypted"), "{warned}");
    assert_eq!(site.get("/links?state=alive").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.get("/links?before=x").await.status, StatusCode::BAD_REQUEST);
    let viewer = Site::behind(Door::new(Permit::of(Role::Viewer))).get("/links").await;
    assert_eq!(viewer.status, StatusCode::OK);
    assert!(!viewer.body.contains("/revoke") && !viewer.body.contains("/extend"), "{}", viewer.body);
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn revoking_is_asked_about_once_and_extending_takes_days() {
    let site = Site::new();
    let question = site.get("/links/1/revoke").await;
    for part in ["can't be undone", "Revoke the link</button>", r#"action="/links/1/revoke""#, "1\u{202f}234 times"] {
        assert!(question.body.contains(part), "{part}: {}", question.body);
    }
    for path in ["/links/2/revoke", "/links/9/revoke", "/links/x/revoke"] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(site.calls(), Vec::<String>::new());
    assert_eq!(location(&site.form("/links/1/revoke", "").await), "/links#link-1");
    assert_eq!(site.form("/links/2/revoke", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(location(&site.form("/links/1/extend", "days=+90+").await), "/links#link-1");
    for days in ["0", "366", "soon%3C", ""] {
        let answer = site.form("/links/1/extend", &format!("days={days}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{days}");
        assert!(answer.body.contains("<details open") && answer.body.contains(r#"aria-invalid="true""#), "{}", answer.body);
    }
    assert_eq!(site.form("/links/2/extend", "days=5").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.calls(), ["revoke link 1", "extend link 1 90"]);
}

#[tokio::test]
async fn programs_list_revoke_and_extend_links() {
    let site = Site::new();
    let list: serde_json::Value = serde_json::from_str(&site.get("/api/links?state=live&search=more").await.body).unwrap();
    assert_eq!((&list["links"][2]["state"], &list["links"][2]["downloads"]), (&"live".into(), &1234.into()));
    assert_eq!((&list["next"], &list["base"]), (&1.into(), &"https://files.example.com".into()));
    let text = list.to_string();
    for part in ["digest", "token", "sha256", "\"file\""] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    assert_eq!(site.get("/api/links?stat=live").await.status, StatusCode::BAD_REQUEST);
    let revoked: serde_json::Value = serde_json::from_str(&site.json("/api/links/revoke", r#"{"id": 1}"#).await.body).unwrap();
    assert_eq!(revoked["state"], "revoked");
    assert_eq!(site.json("/api/links/extend", r#"{"id": 1, "days": 7}"#).await.status, StatusCode::OK);
    for (path, body, status) in [
        ("/api/links/revoke", r#"{"id": 2}"#, 404),
        ("/api/links/revoke", r#"{"id": "1"}"#, 400),
        ("/api/links/revoke", r#"{"id": 1, "all": true}"#, 400),
        ("/api/links/extend", r#"{"id": 1}"#, 400),
        ("/api/links/extend", r#"{"id": 1, "days": 366}"#, 422),
        ("/api/links/extend", r#"{"id": 1, "days": -1}"#, 400),
    ] {
        assert_eq!(site.json(path, body).await.status.as_u16(), status, "{path} {body}");
    }
    assert_eq!(site.calls(), ["revoke link 1", "extend link 1 7"]);
}
