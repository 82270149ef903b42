//! Starting and ending the server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::access::Access;
use super::connection::BoundedListener;
use super::limits::{FILMS, GRACE, SHORT};
use super::routes::routes;
use super::site::Site;
use super::token::Token;
use crate::interrupt;

/// Time between two checks whether the server should end.
const LOOK: Duration = Duration::from_millis(50);

/// Where the server listens, and who may use it.
pub struct Address {
    /// The address of this machine that is listened on.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The token that requests must have.
    pub token: Option<Token>,
}

/// Serves `site` until Ctrl-C or a termination signal. `ready` is called with the address of the page.
///
/// # Errors
/// If the address cannot be listened on, or `ready` fails.
pub fn serve(site: Site, address: Address, ready: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let _deferred = interrupt::defer();
    let threads = FILMS + SHORT.0 + 2;
    let runtime =
        Builder::new_multi_thread().worker_threads(2).max_blocking_threads(threads).enable_all().build();
    let runtime = runtime.context("starting threads")?;
    let ended = runtime.block_on(run(site, address, ready));
    // A computation stops between two evaluations of a network. Whatever is still running after that ends with the process.
    runtime.shutdown_timeout(GRACE);
    ended
}

async fn run(site: Site, address: Address, ready: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let Address { host, port, token } = address;
    let listener = TcpListener::bind((host, port)).await;
    let listener =
        listener.with_context(|| format!("--port: listening on {}", SocketAddr::new(host, port)))?;
    let bound = listener.local_addr().context("--port")?;
    let query = token.as_ref().map_or(String::new(), |token| format!("?token={}", token.text()));
    ready(&format!("http://{bound}/{query}"))?;

    let (stopping, ended) = (site.stopping.clone(), site.stopping.clone());
    let router = routes(Arc::new(site), Access { local: host.is_loopback(), token });
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let server = axum::serve(BoundedListener::new(listener), router).with_graceful_shutdown(async move {
        signal().await;
        stopping.store(true, Ordering::Relaxed);
        let _ = stop.send(true);
    });
    let patience = async {
        let _ = stopped.wait_for(|&stopped| stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    let result = tokio::select! {
        result = server => result.context("serving"),
        // A client that does not read its answer does not keep the server from ending.
        () = patience => Ok(()),
    };
    ended.store(true, Ordering::Relaxed);
    result
}

/// Waits for Ctrl-C or a termination signal.
async fn signal() {
    while !interrupt::is_requested() {
        tokio::time::sleep(LOOK).await;
    }
}
