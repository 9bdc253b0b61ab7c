//! The request to the running Postroom: `POST /api/v1/messages`, in parts that are read while they are sent.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::secret::Secret;
use futures::stream::{self, BoxStream, StreamExt as _};
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Content, File, Parts};
use crate::ports::{Random as _, SystemRandom};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of an answer.
const MAX_ANSWER: usize = 4 << 20;
/// Bytes of a file that are read at once.
const CHUNK: usize = 256 << 10;

/// Why there is no answer.
pub(super) enum Failure {
    /// What was asked can't work.
    Usage(String),
    /// It wasn't asked: nothing was sent.
    Unreachable(String),
    /// It was asked, and broke off: nobody here knows whether it was sent.
    BrokeOff(String),
}

/// Where it is asked.
struct Target {
    host: String,
    port: u16,
    encrypted: bool,
}

impl Target {
    fn of(url: &str) -> Result<Self, Failure> {
        let wrong =
            || Failure::Usage(format!("--url: “{url}” isn't the address of a Postroom. Use one such as https://post.example.com."));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?.to_owned();
        let here = host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if !encrypted && !here {
            return Err(Failure::Usage(format!("--url: {url} would send the token readable through the network. Use https://.")));
        }
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        Ok(Self { host, port, encrypted })
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The answer, whatever it says.
pub(super) async fn send(url: &str, token: &Secret, ca: Option<&Path>, parts: Parts) -> Result<Vec<u8>, Failure> {
    let target = Target::of(url)?;
    let unreachable = |error: &dyn std::fmt::Display| {
        Failure::Unreachable(format!(
            "Not sent: {} can't be reached ({error}). Is Postroom running there? --url says where it is.",
            target.authority()
        ))
    };
    let body = body(parts).await?;
    let name = target.host.trim_matches(['[', ']']);
    let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect((name, target.port))).await;
    let stream = connecting.map_err(|_| unreachable(&"it doesn't answer"))?.map_err(|error| unreachable(&error))?;
    let request = Request::post("/api/v1/messages")
        .header(header::HOST, target.authority())
        .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={}", body.boundary))
        .header(header::CONNECTION, "close")
        .body(StreamBody::new(body.frames))
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if !target.encrypted {
        return exchange(stream, request).await;
    }
    let name = ServerName::try_from(name.to_owned()).map_err(|error| unreachable(&error))?;
    let connector = TlsConnector::from(Arc::new(tls(ca)?));
    let shaking = tokio::time::timeout(CONNECT_WITHIN, connector.connect(name, stream)).await;
    let stream = shaking.map_err(|_| unreachable(&"it doesn't answer"))?.map_err(|error| unreachable(&error))?;
    exchange(stream, request).await
}

/// The system's authorities, and those in `ca`.
fn tls(ca: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let unusable = |why: &dyn std::fmt::Display| Failure::Usage(format!("--ca: {} can't be used ({why}).", path.display()));
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

type Frames = BoxStream<'static, io::Result<Frame<Bytes>>>;

async fn exchange<S>(stream: S, request: Request<StreamBody<Frames>>) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke = |error: &dyn std::fmt::Display| {
        Failure::BrokeOff(format!(
            "Unknown: the connection to Postroom broke off ({error}). Look under Messages before sending it again."
        ))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broke(&error))?;
    let driving = tokio::spawn(connection);
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| broke(&error))?;
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok(body.map_err(|error| broke(&error))?.to_bytes().to_vec())
    };
    let answer = answered.await;
    driving.abort();
    answer
}

/// A form in parts (RFC 7578).
struct Body {
    boundary: String,
    frames: Frames,
}

async fn body(parts: Parts) -> Result<Body, Failure> {
    let mut random = [0; 16];
    SystemRandom.fill(&mut random);
    let boundary = random.iter().fold(String::from("postroom-"), |text, byte| text + &format!("{byte:02x}"));
    let mut pieces: Vec<Frames> = Vec::new();
    for (field, text) in parts.texts {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", field.key());
        pieces.push(at_once(format!("{head}{text}\r\n").into_bytes()));
    }
    for File { name, content_type, content } in parts.files {
        // As browsers write it (HTML, multipart/form-data encoding algorithm).
        let name = name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22");
        let plain = |byte: u8| byte.is_ascii_graphic();
        let kind = if content_type.is_empty() || !content_type.bytes().all(plain) {
            "application/octet-stream".to_owned()
        } else {
            content_type
        };
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        pieces.push(at_once(head.into_bytes()));
        pieces.push(match content {
            Content::Bytes(bytes) => at_once(bytes),
            Content::Path(path) => {
                let opened = tokio::fs::File::open(&path).await;
                let file =
                    opened.map_err(|error| Failure::Usage(format!("--attach: {} can't be read ({error}).", path.display())))?;
                read(file)
            }
        });
        pieces.push(at_once(b"\r\n".to_vec()));
    }
    pieces.push(at_once(format!("--{boundary}--\r\n").into_bytes()));
    Ok(Body { boundary, frames: stream::iter(pieces).flatten().boxed() })
}

fn at_once(bytes: Vec<u8>) -> Frames {
    stream::iter([Ok(Frame::data(Bytes::from(bytes)))]).boxed()
}

/// A file, as it is read.
fn read(file: tokio::fs::File) -> Frames {
    let pieces = stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let mut bytes = vec![0; CHUNK];
        match file.read(&mut bytes).await {
            Ok(0) => None,
            Ok(read) => {
                bytes.truncate(read);
                Some((Ok(Frame::data(Bytes::from(bytes))), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    pieces.boxed()
}
