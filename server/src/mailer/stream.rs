//! The guarded stream under a session: lines come out of it one by one, capped while reading, and every step ends at a
//! deadline. It knows nothing of SMTP beyond line ends.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use domain::transcript::Cause;
use futures::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::lines::Lines;
use super::tls;

/// What went wrong on the way, without what it means for the session.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Why.
    pub cause: Cause,
    /// The system's own words.
    pub detail: Option<String>,
}

impl From<Cause> for Trouble {
    fn from(cause: Cause) -> Self {
        Self { cause, detail: None }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self { cause: Self::cause_of(&error), detail: Some(error.to_string()) }
    }
}

impl Trouble {
    pub(super) fn cause_of(error: &io::Error) -> Cause {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::UnexpectedEof => Cause::Closed,
            Kind::ConnectionRefused => Cause::ConnectionRefused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => Cause::Unreachable,
            Kind::TimedOut => Cause::Timeout,
            _ => tls::cause_after_handshake(error).unwrap_or(Cause::Broken),
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    /// One step: a connection, a command with its reply, a handshake.
    pub(super) step: Duration,
    /// The end of the whole run.
    pub(super) end: Instant,
}

impl Timer {
    /// Lets `work` take `factor` steps.
    pub(super) async fn bound<T, E: Into<Trouble>>(
        &self,
        factor: u32,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Trouble> {
        let step = Instant::now() + self.step.saturating_mul(factor);
        match tokio::time::timeout_at(step.min(self.end), work).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) if step < self.end => Err(Cause::Timeout.into()),
            Err(_) => Err(Cause::Deadline.into()),
        }
    }
}

/// A connection to a server, in clear or encrypted.
pub(super) struct Connection {
    io: Io,
    /// Read and not yet taken.
    lines: Lines,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<Watched>>),
}

/// Anything one can talk over.
trait Talk: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Talk for T {}

impl Connection {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { io: Io::Plain(stream), lines: Lines::default() }
    }

    /// Starts with nothing pending: what came in clear is not interpreted any more (RFC 3207 section 4.2).
    pub(super) fn encrypted(stream: TlsStream<Watched>) -> Self {
        Self { io: Io::Tls(Box::new(stream)), lines: Lines::default() }
    }

    fn io(&mut self) -> &mut dyn Talk {
        match &mut self.io {
            Io::Plain(stream) => stream,
            Io::Tls(stream) => &mut **stream,
        }
    }

    /// The address we connected from.
    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        let stream = match &self.io {
            Io::Plain(stream) => stream,
            Io::Tls(stream) => &stream.get_ref().0.stream,
        };
        stream.local_addr().ok().map(|address| address.ip())
    }

    /// The next line with its end. Cancel-safe: what was read stays.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(line) = self.lines.next()? {
                return Ok(line);
            }
            let mut buffer = [0; 2 << 10];
            match self.io().read(&mut buffer).await? {
                0 => return Err(Cause::Closed.into()),
                n => self.lines.push(&buffer[..n]),
            }
        }
    }

    /// What was read of a line that never ended, at most a line's worth.
    pub(super) fn unfinished(&mut self) -> Vec<u8> {
        self.lines.unfinished()
    }

    /// What the other side said before it went, and why it went, if that is there to be read.
    pub(super) fn last_words(&mut self) -> (Vec<u8>, Option<Trouble>) {
        let mut buffer = [0; 512];
        let read = self.io().read(&mut buffer).now_or_never();
        if let Some(Ok(n)) = read {
            self.lines.push(&buffer[..n]);
        }
        (self.lines.unfinished(), read.and_then(Result::err).map(Into::into))
    }

    /// What is there that nobody asked for. Whoever gets something must give the connection up.
    pub(super) fn unasked(&mut self) -> Vec<u8> {
        if self.lines.is_empty() { self.last_words().0 } else { self.lines.unfinished() }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let io = self.io();
        io.write_all(bytes).await?;
        io.flush().await
    }

    /// The bare stream for a handshake. If a byte has come since the last line, the connection is gone; what came is given.
    pub(super) fn into_clean_tcp(mut self) -> Result<TcpStream, Vec<u8>> {
        let mut came = self.lines.unfinished();
        let Io::Plain(stream) = self.io else { return Err(came) };
        // The socket itself is asked, as the runtime may not have heard yet of what just arrived.
        let mut buffer = [0; 512];
        if let Ok(n) = io::Read::read(&mut &*socket2::SockRef::from(&stream), &mut buffer) {
            came.extend_from_slice(&buffer[..n]);
        }
        if came.is_empty() { Ok(stream) } else { Err(came) }
    }

    /// Says goodbye to a TLS peer; a plain one just sees the end.
    pub(super) async fn close(mut self) -> io::Result<()> {
        self.io().shutdown().await
    }
}

/// A TCP stream that remembers the first bytes it read: a handshake that fails is explained by them.
pub(super) struct Watched {
    stream: TcpStream,
    head: Vec<u8>,
    /// Whether a first byte that TLS can't begin with ends it at once, however few follow.
    strict: bool,
    /// Whether the handshake is going on. A peer that refuses what we said breaks off in the middle of it: what it says by that
    /// is worth more than that it didn't take the rest, so the rest is dropped and read on.
    handshaking: bool,
}

impl Watched {
    const HEAD: usize = 64;

    /// `strict`: nothing but TLS may come, not even a single byte.
    pub(super) fn new(stream: TcpStream, strict: bool) -> Self {
        Self { stream, head: Vec::new(), strict, handshaking: true }
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The handshake is over: from here on everything that is written counts.
    pub(super) fn settle(&mut self) {
        self.handshaking = false;
    }

    /// `length` bytes that nobody takes any more.
    fn written(&self, written: io::Result<usize>, length: usize) -> io::Result<usize> {
        use io::ErrorKind as Kind;
        match written {
            Err(error) if self.handshaking && matches!(error.kind(), Kind::BrokenPipe | Kind::ConnectionReset) => Ok(length),
            written => written,
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let room = Self::HEAD - self.head.len();
        self.head.extend(buffer.filled()[before..].iter().take(room));
        if self.strict && self.head.first().is_some_and(|&first| !tls::is_content_type(first)) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "something else than TLS")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(self.written(written, bytes.len()))
    }

    /// All records of a flight at once.
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, parts));
        Poll::Ready(self.written(written, parts.iter().map(|part| part.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::lines::MAX_LINE;
    use super::*;

    /// A connection and the other end of it.
    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Connection::plain(ours.unwrap()), theirs.unwrap().0)
    }

    fn timer(step: u64, end: u64) -> Timer {
        Timer { step: Duration::from_millis(step), end: Instant::now() + Duration::from_millis(end) }
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_does_not_hold_us() {
        let (mut ours, _theirs) = pair().await;
        let big = vec![b'x'; 64 << 20];
        let trouble = timer(100, 60_000).bound(1, ours.write(&big)).await.unwrap_err();
        assert_eq!(trouble.cause, Cause::Timeout);
    }

    #[tokio::test]
    async fn the_nearer_end_counts() {
        let (mut ours, _theirs) = pair().await;
        assert_eq!(timer(50, 60_000).bound(1, ours.line()).await.unwrap_err().cause, Cause::Timeout);
        assert_eq!(timer(60_000, 50).bound(10, ours.line()).await.unwrap_err().cause, Cause::Deadline);
    }

    #[tokio::test]
    async fn an_endless_line_is_read_no_further_than_its_cap() {
        let (mut ours, mut theirs) = pair().await;
        let writing = tokio::spawn(async move { while theirs.write_all(&vec![b'x'; 64 << 10]).await.is_ok() {} });
        let trouble = timer(5_000, 5_000).bound(1, ours.line()).await.unwrap_err();
        assert_eq!(trouble.cause, Cause::TooLong);
        assert!(ours.lines.capacity() <= 4 * MAX_LINE, "{}", ours.lines.capacity());
        drop(ours);
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn a_byte_that_nobody_asked_for_is_seen() {
        let (mut ours, mut theirs) = pair().await;
        assert_eq!(ours.unasked(), b"");
        theirs.write_all(b"220 go\r\n2").await.unwrap();
        assert_eq!(ours.line().await.unwrap(), b"220 go\r\n");
        theirs.write_all(b"50 x").await.unwrap();
        let Io::Plain(stream) = &ours.io else { panic!("not encrypted") };
        stream.readable().await.unwrap();
        assert_eq!(ours.into_clean_tcp().unwrap_err(), b"250 x");
        let (mut ours, mut theirs) = pair().await;
        theirs.write_all(b"220 go\r\n2").await.unwrap();
        assert_eq!(ours.line().await.unwrap(), b"220 go\r\n");
        assert_eq!(ours.unasked(), b"2");
        // Not read yet, only arrived.
        let (ours, mut theirs) = pair().await;
        theirs.write_all(b"2").await.unwrap();
        let Io::Plain(stream) = &ours.io else { panic!("not encrypted") };
        stream.readable().await.unwrap();
        assert_eq!(ours.into_clean_tcp().unwrap_err(), b"2");
        let (ours, _theirs) = pair().await;
        assert!(ours.into_clean_tcp().is_ok());
    }

    /// An alert, `certificate_required`, in a record of its own (RFC 8446 section 6).
    const ALERT: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x74];

    #[tokio::test]
    async fn a_peer_that_is_gone_in_the_middle_of_the_handshake_is_heard_to_the_end() {
        let (ours, mut theirs) = pair().await;
        let Io::Plain(stream) = ours.io else { panic!("not encrypted") };
        theirs.write_all(&ALERT).await.unwrap();
        drop(theirs);
        let mut watched = Watched::new(stream, true);
        until_nothing_is_taken(&mut watched.stream).await;
        watched.write_all(b"the rest of our part").await.unwrap();
        let mut heard = Vec::new();
        watched.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, ALERT);
        // A message that isn't taken is not handed over, though.
        watched.settle();
        assert_eq!(watched.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn why_a_peer_went_is_heard_also_where_writing_fails() {
        use std::sync::Arc;

        use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
        use rustls::{ClientConfig, RootCertStore, ServerConfig};

        let own = rcgen::generate_simple_self_signed(vec!["mail.test".into()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let roots = Arc::new(roots);
        let wanting = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
        let versions = &[&rustls::version::TLS13];
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(wanting)
            .with_single_cert(vec![own.cert.der().clone()], PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()).into())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let (ours, theirs) = pair().await;
        let Io::Plain(stream) = ours.io else { panic!("not encrypted") };
        let name = ServerName::try_from("mail.test").unwrap();
        let (encrypted, refused) = tokio::join!(
            tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, Watched::new(stream, false)),
            tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(theirs)
        );
        // We were done before they were: TLS 1.3.
        let mut encrypted = encrypted.unwrap();
        assert!(refused.is_err());
        encrypted.get_mut().0.settle();
        until_nothing_is_taken(&mut encrypted.get_mut().0.stream).await;
        let mut connection = Connection::encrypted(encrypted);
        assert_eq!(connection.write(b"EHLO x\r\n").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let (said, why) = connection.last_words();
        assert_eq!((said, why.map(|why| why.cause)), (Vec::new(), Some(Cause::ClientCertificateWanted)));
    }

    /// Writes to a peer that has closed until the system knows that nobody takes it.
    async fn until_nothing_is_taken(stream: &mut TcpStream) {
        while stream.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
