//! The socket in the data directory, and those who ask through it: the user whom the program runs as, and root.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{EVENT_WITHIN, Event, MAX_REQUEST, REQUEST_WITHIN, Reach, Refusal, Request, perform};
use crate::data::Data;
use crate::data_dir::DataDir;

/// How many are answered at once.
const AT_ONCE: usize = 4;
/// How many lines of an answer may wait for a slow reader before the work does.
const WAITING: usize = 4;

/// Listens as long as it lives, and takes its name with it.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens in a data directory that this process holds alone: a socket that is there was left by another one that is gone.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AlreadyExists`] where the name belongs to something that isn't a socket.
    pub fn bind(dir: &DataDir) -> io::Result<Self> {
        let path = dir.socket();
        remove_socket(&path)?;
        // Under another name until only its owner may connect.
        let draft = path.with_extension("sock.new");
        remove_socket(&draft)?;
        let listener = UnixListener::bind(&Reach::to(&draft)?.path)?;
        fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
        fs::rename(&draft, &path)?;
        Ok(Self { listener, path })
    }

    /// Answers, until it is dropped.
    pub async fn serve(self, data: Arc<Data>) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let data = Arc::clone(&data);
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, data).await {
                            tracing::warn!(%error, "a question through the socket wasn't answered to its end");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: others have to end first.
                    tracing::warn!(%error, "can't take a connection to the socket");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = remove_socket(&self.path);
    }
}

/// Removes a socket, and nothing that isn't one.
fn remove_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} isn't a socket", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

async fn answer(stream: UnixStream, data: Arc<Data>) -> io::Result<()> {
    let asking = stream.peer_cred()?.uid();
    let (reading, mut writing) = stream.into_split();
    if asking != 0 && asking != rustix::process::geteuid().as_raw() {
        tracing::warn!(uid = asking, "refused a question of another user");
        let refusal = Refusal::new(Refusal::UNREACHABLE, "Only the user whom Postroom runs as may ask it this, or root.");
        return send(&mut writing, &Event::Refused(refusal)).await;
    }
    let request = match timeout(REQUEST_WITHIN, read_request(BufReader::new(reading))).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) => {
            return send(&mut writing, &Event::Refused(Refusal::other_version())).await;
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let (telling, mut told) = mpsc::channel(WAITING);
    let work = tokio::task::spawn_blocking(move || {
        let done = perform(&data, request, &mut |event| telling.blocking_send(event).map_err(|_| io::ErrorKind::BrokenPipe.into()));
        let last = done.map_or_else(Event::Refused, Event::Done);
        drop(telling.blocking_send(last));
    });
    while let Some(event) = told.recv().await {
        send(&mut writing, &event).await?;
    }
    work.await.map_err(io::Error::other)
}

/// The question; `None` if it is none.
async fn read_request(reading: impl tokio::io::AsyncBufRead + Unpin) -> io::Result<Option<Request>> {
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    reading.take(MAX_REQUEST).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line).ok())
}

async fn send(writing: &mut (impl tokio::io::AsyncWrite + Unpin), event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    timeout(EVENT_WITHIN, writing.write_all(&line)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
