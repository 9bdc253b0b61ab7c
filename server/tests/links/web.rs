//! What strangers with a link are answered: pages, files and nothing.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use server::backend::House;
use server::mailer::Mailer;
use server::web::{Hosts, Peer, Web, router};
use tower::ServiceExt as _;

use super::*;

const HERE: &str = "127.0.0.1:3000";

struct Site {
    place: Place,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: impl Into<HeaderName>) -> &str {
        self.headers.get(name.into()).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Everything but what differs between any two answers.
    fn told(mut self) -> (StatusCode, HeaderMap, Vec<u8>) {
        self.headers.remove("x-request-id");
        (self.status, self.headers, self.body)
    }
}

impl Site {
    fn new() -> Self {
        let place = Place::new();
        let house = House::new(Arc::clone(&place.entries), Mailer::system(None).unwrap()).unwrap();
        let house = Arc::new(house.with_links(Arc::clone(&place.links), 30));
        let hosts = Hosts::new(Some("post.example.com")).with_links(Some("files.example.com"));
        let router = router(Web::new(house, hosts).with_links(Arc::clone(&place.links)));
        Self { place, router }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name == header::HOST) {
            request = request.header(header::HOST, HERE);
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer("198.51.100.1".parse().unwrap()));
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str, headers: &[(HeaderName, &str)]) -> Answer {
        self.send(Method::GET, path, headers).await
    }

    /// Presses the button; the address of the file.
    async fn press(&self, link: &Made) -> String {
        let pressed = self.send(Method::POST, &path(link), &[(header::ORIGIN, "http://127.0.0.1:3000")]).await;
        assert_eq!(pressed.status, StatusCode::SEE_OTHER);
        pressed.header(header::LOCATION).to_owned()
    }
}

fn path(link: &Made) -> String {
    format!("/d/{}", link.token.expose())
}

/// Bytes that differ everywhere.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap()).collect()
}

#[tokio::test]
async fn a_page_shows_the_file_in_the_language_of_the_link_and_nothing_of_postroom() {
    let site = Site::new();
    let link = site.place.make("Übersicht <1>.pdf", &bytes(1_468_006), 30).await;
    let page = site.get(&path(&link), &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"), "{policy}");
    assert!(!policy.contains("sandbox"), "its form would come from nowhere");
    assert_eq!(page.header(header::REFERRER_POLICY), "same-origin");
    assert_eq!(page.header(HeaderName::from_static("x-robots-tag")), "noindex");
    assert_eq!(page.header(header::CACHE_CONTROL), "private, no-store");
    let html = page.text();
    for part in
        ["lang=\"de\"", "Übersicht &lt;1&gt;.pdf", "1,4 MB", "Anna &lt;anna@example.com&gt;", "in 30 Tagen", "Herunterladen"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    for part in ["<script", "<nav", "<header", "/sign-in", "href=\"/\""] {
        assert!(!html.contains(part), "{part}: {html}");
    }
    let head = site.send(Method::HEAD, &path(&link), &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(site.place.record(link.id).unwrap().downloads, 0);
}

#[tokio::test]
async fn pressing_the_button_counts_once_and_leads_to_bytes_that_are_never_shown() {
    let site = Site::new();
    let file = bytes(700_001);
    let link = site.place.make("Übersicht.html", &file, 30).await;
    let at = site.press(&link).await;
    assert!(at.starts_with(&format!("{}/", path(&link))), "{at}");
    let answer = site.get(&at, &[]).await;
    assert_eq!((answer.status, answer.body == file), (StatusCode::OK, true));
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"_bersicht.html\"; filename*=UTF-8''%C3%9Cbersicht.html"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CONTENT_LENGTH, "700001"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        assert_eq!(answer.header(name.clone()), value, "{name}");
    }
    let head = site.send(Method::HEAD, &at, &[(header::RANGE, "bytes=0-0")]).await;
    assert_eq!((head.status, head.header(header::CONTENT_LENGTH), head.body.len()), (StatusCode::OK, "700001", 0));
    assert_eq!(head.header(header::ETAG), answer.header(header::ETAG));
    let record = site.place.record(link.id).unwrap();
    assert_eq!((record.downloads, record.last[0].address.as_str()), (1, "198.51.100.1"));
}

#[tokio::test]
async fn a_download_is_gone_on_with_by_ranges_of_the_same_file() {
    let site = Site::new();
    let file = bytes(600_000);
    let link = site.place.make("a.bin", &file, 30).await;
    let at = site.press(&link).await;
    let tag = site.get(&at, &[]).await.header(header::ETAG).to_owned();
    assert!(tag.starts_with('"') && tag.len() == 66, "{tag}");
    let range = |range: &'static str| [(header::RANGE, range)];
    for (asked, from, to) in
        [("bytes=0-0", 0, 1), ("bytes=300000-", 300_000, 600_000), ("bytes=-1", 599_999, 600_000), ("bytes=5-600000", 5, 600_000)]
    {
        let part = site.get(&at, &range(asked)).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{asked}");
        assert_eq!(part.body, file[from..to], "{asked}");
        assert_eq!(part.header(header::CONTENT_RANGE), format!("bytes {from}-{}/600000", to - 1));
        assert_eq!(
            (part.header(header::CONTENT_LENGTH), part.header(header::ETAG)),
            ((to - from).to_string().as_str(), tag.as_str())
        );
    }
    let beyond = site.get(&at, &range("bytes=600000-")).await;
    assert_eq!((beyond.status, beyond.header(header::CONTENT_RANGE)), (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */600000"));
    assert_eq!(beyond.body.len(), 0);
    for asked in ["bytes=0-1,5-6", "bytes=5-4", "lines=1-2", "bytes=x"] {
        let whole = site.get(&at, &range(asked)).await;
        assert_eq!((whole.status, whole.body.len()), (StatusCode::OK, 600_000), "{asked}");
    }
    let part_if =
        async |condition: &str| site.get(&at, &[(header::RANGE, "bytes=1-2"), (header::IF_RANGE, condition)]).await.status;
    assert_eq!(part_if(&tag).await, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part_if("\"another\"").await, StatusCode::OK);
    assert_eq!(part_if("Mon, 23 Nov 2026 14:05:00 GMT").await, StatusCode::OK);
    assert_eq!(site.get(&at, &[(header::IF_NONE_MATCH, tag.as_str())]).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(site.get(&at, &[(header::IF_MATCH, "\"another\"")]).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(site.place.record(link.id).unwrap().downloads, 1, "going on is no other download");
}

#[tokio::test]
async fn unknown_expired_and_revoked_links_are_answered_alike_to_the_byte() {
    let site = Site::new();
    let (expired, revoked) = (site.place.make("e", b"e", 1).await, site.place.make("r", b"r", 30).await);
    let (live, ticket_of) = (site.place.make("l", b"l", 30).await, site.press(&revoked).await);
    let ticket = ticket_of.rsplit('/').next().unwrap().to_owned();
    site.place.clock.forward(DAY_MS);
    site.place.links.revoke(revoked.id, anna()).await.unwrap();
    let unknown = Made { token: site.place.links.draw().0, ..live.clone() };
    let nothing = site.get(&path(&unknown), &[]).await.told();
    assert_eq!(nothing.0, StatusCode::NOT_FOUND);
    assert!(!String::from_utf8(nothing.2.clone()).unwrap().contains("<form"));
    let headers = [(header::ORIGIN, "http://127.0.0.1:3000")];
    for link in [&expired, &revoked, &unknown] {
        assert_eq!(site.get(&path(link), &[]).await.told(), nothing);
        assert_eq!(site.send(Method::POST, &path(link), &headers).await.told(), nothing);
        assert_eq!(site.get(&format!("{}/{ticket}", path(link)), &[]).await.told(), nothing);
    }
    for path in [format!("{}/{ticket}", path(&live)), format!("{}/x", path(&live)), "/d/".into(), "/d/x".into(), "/d/x/y/z".into()]
    {
        assert_eq!(site.get(&path, &[]).await.told(), nothing, "{path}");
    }
    // A file that is lost is a mistake of ours, and tells no more.
    site.place.folder.remove(&live.file).await.unwrap();
    let at = site.press(&live).await;
    assert_eq!(site.get(&at, &[]).await.told(), nothing);
    assert_eq!(site.place.record(expired.id).unwrap().downloads, 0);
}

#[tokio::test]
async fn who_guesses_is_told_to_wait() {
    let site = Site::new();
    for number in 0..20 {
        assert_eq!(site.get(&format!("/d/guess-{number}"), &[]).await.status, StatusCode::NOT_FOUND);
    }
    let link = site.place.make("a", b"a", 30).await;
    let held_back = site.get(&path(&link), &[]).await;
    assert_eq!((held_back.status, held_back.header(header::RETRY_AFTER)), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(!held_back.text().contains("<form"));
}

#[tokio::test]
async fn no_other_site_presses_the_button() {
    let site = Site::new();
    let link = site.place.make("a", b"a", 30).await;
    for headers in [[(header::ORIGIN, "https://evil.example")], [(header::ORIGIN, "null")]] {
        assert_eq!(site.send(Method::POST, &path(&link), &headers).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(site.place.record(link.id).unwrap().downloads, 0);
    // Whoever is signed in sends his cookie along, and needs none.
    let cookie = (header::COOKIE, "__Host-postroom=unknown");
    let same = [(header::ORIGIN, "http://127.0.0.1:3000"), cookie.clone()];
    assert_eq!(site.send(Method::POST, &path(&link), &same).await.status, StatusCode::SEE_OTHER);
    let from_mail = [(HeaderName::from_static("sec-fetch-site"), "cross-site"), cookie];
    assert_eq!(site.get(&path(&link), &from_mail).await.status, StatusCode::OK);
}

#[tokio::test]
async fn under_the_name_of_links_there_is_nothing_else() {
    let site = Site::new();
    let link = site.place.make("a", b"a", 30).await;
    let at = |host: &'static str| [(header::HOST, host)];
    for host in ["files.example.com", "post.example.com", HERE] {
        assert_eq!(site.get(&path(&link), &at(host)).await.status, StatusCode::OK, "{host}");
    }
    for path in ["/", "/sign-in", "/links", "/api/links", "/api/servers", "/welcome"] {
        assert_eq!(site.get(path, &at("files.example.com")).await.status, StatusCode::NOT_FOUND, "{path}");
        assert_ne!(site.get(path, &at("post.example.com")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let headers = [(header::HOST, "files.example.com"), (header::ORIGIN, "https://files.example.com")];
    assert_eq!(site.send(Method::POST, &path(&link), &headers).await.status, StatusCode::SEE_OTHER);
    assert_eq!(site.get(&path(&link), &at("evil.example")).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn hostile_names_are_text_on_the_page_and_one_name_in_the_header() {
    let site = Site::new();
    for name in ["\"><script>alert(1)</script>.pdf", "a\"; filename=evil.exe", "ä'b%00.txt", &"長".repeat(60)] {
        let name = domain::link::safe_name(name);
        let link = site.place.make(&name, b"x", 30).await;
        let html = site.get(&path(&link), &[]).await.text();
        assert!(!html.contains("<script"), "{html}");
        let at = site.press(&link).await;
        let answer = site.get(&at, &[]).await;
        let disposition = answer.header(header::CONTENT_DISPOSITION);
        assert!(disposition.starts_with("attachment; filename=\"") && disposition.is_ascii(), "{disposition}");
        assert_eq!((disposition.matches('"').count(), disposition.matches("; filename*=").count()), (2, 1), "{disposition}");
    }
}
