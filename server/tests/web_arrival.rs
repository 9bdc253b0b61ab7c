//! How requests arrive: encrypted by the program itself, or through a proxy, and what is believed of either.

#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use server::backend::House;
use server::mailer::Mailer;
use server::web::{Encrypted, Hosts, Peer, Proxies, TlsFiles, Web, router, serve};
use store_support::{TestClock, open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

struct Site {
    router: Router,
    _dir: tempfile::TempDir,
}

fn site(only: bool) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let entries = Arc::new(open(dir.path(), &TestClock::new()).unwrap());
    let house = Arc::new(House::new(entries, Mailer::system(None).unwrap()).unwrap());
    let proxies = Proxies { trusted: Proxies::parse(&[PROXY.to_string()]).unwrap(), only };
    Site { router: router(Web::new(house, Hosts::new(Some("post.example.com"))).behind(proxies)), _dir: dir }
}

impl Site {
    async fn ask(&self, peer: IpAddr, encrypted: bool, forwarded: &[(&str, &str)]) -> (StatusCode, Option<String>) {
        let mut request = Request::get("/assets/nothing").header(header::HOST, "post.example.com");
        for (name, value) in forwarded {
            request = request.header(*name, *value);
        }
        let request = request.extension(Peer(peer)).extension(Encrypted(encrypted)).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let strict = response.headers().get(header::STRICT_TRANSPORT_SECURITY);
        (response.status(), strict.map(|value| value.to_str().unwrap().to_owned()))
    }
}

#[tokio::test]
async fn browsers_are_told_to_stay_encrypted_only_where_it_was() {
    let site = site(false);
    let year = Some("max-age=31536000".to_owned());
    let proto = |scheme| [("x-forwarded-proto", scheme)];
    assert_eq!(site.ask(STRANGER, true, &[]).await.1, year);
    assert_eq!(site.ask(STRANGER, false, &[]).await.1, None);
    assert_eq!(site.ask(PROXY, false, &proto("https")).await.1, year);
    assert_eq!(site.ask(PROXY, false, &proto("http")).await.1, None);
    assert_eq!(site.ask(STRANGER, false, &proto("https")).await.1, None, "anybody can say so");
}

#[tokio::test]
async fn what_comes_unencrypted_past_the_proxy_is_refused() {
    let site = site(true);
    let misdirected = StatusCode::FORBIDDEN;
    assert_eq!(site.ask(STRANGER, false, &[]).await.0, misdirected);
    assert_eq!(site.ask(STRANGER, false, &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")]).await.0, misdirected);
    assert_ne!(site.ask(PROXY, false, &[]).await.0, misdirected);
    assert_ne!(site.ask(IpAddr::from([127, 0, 0, 1]), false, &[]).await.0, misdirected, "who is on the machine");
}

#[tokio::test]
async fn the_page_is_served_encrypted_and_nobody_is_answered_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["post.example.com".to_owned()]).unwrap();
    let files = TlsFiles { certificate: dir.path().join("page.pem"), key: dir.path().join("page.key") };
    fs::write(&files.certificate, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&files.key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let tls = files.load().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, site(false).router, Some(tls.acceptor()), async {
        let _gone = ended.await;
    }));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("post.example.com").unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = b"GET /assets/nothing HTTP/1.1\r\nHost: post.example.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("strict-transport-security: max-age=31536000"), "{answer}");

    let mut clear = TcpStream::connect(address).await.unwrap();
    clear.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    let _broken_off = clear.read_to_end(&mut bytes).await;
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    end.send(()).unwrap();
    serving.await.unwrap();
}
