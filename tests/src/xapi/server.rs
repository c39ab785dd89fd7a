//! The sockets and the thread that serves them.
//!
//! The simulator has a thread and a runtime of its own, so a test may block, pause its clock or have no runtime at all.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
};

use super::{
    dispatch::{Endpoint, Origin},
    http,
    state::Shared,
    value::Ref,
};

/// A running server; it ends when this is dropped, together with its connections and its socket file.
pub(super) struct Server {
    address: Option<SocketAddr>,
    socket: PathBuf,
    /// Every change ends the connections that are open.
    connections: watch::Sender<()>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds the sockets and serves them as those of `host`, or of the pool coordinator. A socket file that is in the way is replaced, as xapi does.
    ///
    /// # Errors
    /// When a socket cannot be bound or the thread not be started.
    pub(super) fn start(
        shared: Arc<Shared>,
        host: Option<Ref>,
        socket: &Path,
        listen: Option<SocketAddr>,
    ) -> io::Result<Self> {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let unix = UnixListener::bind(socket)?;
        unix.set_nonblocking(true)?;
        let tcp = listen.map(TcpListener::bind).transpose()?;
        let address = tcp.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(tcp) = &tcp {
            tcp.set_nonblocking(true)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (connections, ends) = watch::channel(());
        let thread = std::thread::Builder::new().name("simxapi".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // The sockets were made non-blocking above, which is all that this could fail for.
                    _ = accept(&shared, host.as_ref(), unix, tcp, &ends) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let socket = socket.to_owned();
        Ok(Self { address, socket, connections, stop: Some(stop), thread: Some(thread) })
    }

    /// The TCP address that is served.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Ends the connections that are open; new ones are welcome.
    pub(super) fn drop_connections(&self) {
        self.connections.send_replace(());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either can only fail when the thread is gone already, which is what is wanted.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn accept(
    shared: &Arc<Shared>,
    host: Option<&Ref>,
    unix: UnixListener,
    tcp: Option<TcpListener>,
    ends: &watch::Receiver<()>,
) -> io::Result<()> {
    let unix = tokio::net::UnixListener::from_std(unix)?;
    let tcp = tcp.map(tokio::net::TcpListener::from_std).transpose()?;
    let mut connections = JoinSet::new();
    let endpoint = |origin| Endpoint { origin, host: host.cloned() };
    loop {
        tokio::select! {
            accepted = unix.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, endpoint(Origin::Unix), shared.clone(), ends.clone()));
                }
            }
            accepted = accept_tcp(tcp.as_ref()) => {
                if let Ok(stream) = accepted {
                    connections.spawn(serve(stream, endpoint(Origin::Tcp), shared.clone(), ends.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept_tcp(listener: Option<&tokio::net::TcpListener>) -> io::Result<tokio::net::TcpStream> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn serve<S>(stream: S, endpoint: Endpoint, shared: Arc<Shared>, mut ends: watch::Receiver<()>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    ends.mark_unchanged();
    tokio::select! {
        () = http::serve(stream, &endpoint, &shared) => {}
        _ = ends.changed() => {}
    }
}
