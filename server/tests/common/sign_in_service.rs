//! A sign-in service that answers as a test says, and remembers what it was asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request: its line and fields, and what was sent with it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// Where it went.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The form, read.
    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        form(&self.body)
    }

    /// A field of the form; empty where there is none.
    pub(crate) fn field(&self, name: &str) -> String {
        self.form().remove(name).unwrap_or_default()
    }
}

/// The pairs of a form or of a query; a name that comes twice fails the test.
pub(crate) fn form(text: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        assert!(pairs.insert(decoded(name), decoded(value)).is_none(), "{name} comes twice: {text}");
    }
    pairs
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        bytes.push(match byte {
            b'%' => {
                let (hex, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => *byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

type Answer = Box<dyn FnMut(&Request) -> Vec<u8> + Send>;

/// It listens on a port of its own until the test ends.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Service {
    /// The same answer to everybody.
    pub(crate) async fn new(answer: impl Into<Vec<u8>>, tls: Option<Arc<ServerConfig>>) -> Self {
        let answer = answer.into();
        Self::start(Box::new(move |_| answer.clone()), tls).await
    }

    /// Whatever `answer` says to each request.
    pub(crate) async fn answering(mut answer: impl FnMut(&Request) -> String + Send + 'static) -> Self {
        Self::start(Box::new(move |request| answer(request).into_bytes()), None).await
    }

    /// One answer after the other; further requests are answered as the last one is.
    pub(crate) async fn in_turn(answers: Vec<String>) -> Self {
        let (mut answers, mut last) = (answers.into_iter(), String::new());
        Self::answering(move |_| {
            last = answers.next().unwrap_or_else(|| last.clone());
            last.clone()
        })
        .await
    }

    async fn start(mut answer: Answer, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let heard = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => talk(stream, &mut answer, &heard).await,
                    Some(config) => {
                        if let Ok(stream) = TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                            talk(stream, &mut answer, &heard).await;
                        }
                    }
                }
            }
        });
        Self { address, requests }
    }

    /// What it was asked, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Its address, in clear.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &mut Answer, heard: &Mutex<Vec<Request>>) {
    let mut received = Vec::new();
    let whole = |received: &[u8]| {
        let text = String::from_utf8_lossy(received);
        let (top, body) = text.split_once("\r\n\r\n")?;
        let length = top.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        (body.len() >= length.unwrap_or(0)).then(|| Request { head: top.to_owned(), body: body.to_owned() })
    };
    let request = loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
        if let Some(request) = whole(&received) {
            break request;
        }
    };
    let answer = answer(&request);
    heard.lock().unwrap().push(request);
    // A reader that had enough goes.
    let _gone = stream.write_all(&answer).await;
    let _gone = stream.shutdown().await;
}

/// An answer of this status and kind.
pub(crate) fn http(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// The same in JSON.
pub(crate) fn json(status: &str, body: &str) -> String {
    http(status, "application/json; charset=utf-8", body)
}
