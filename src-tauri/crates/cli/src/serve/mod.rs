//! `tiebreak serve`: the window's page in a browser of the same machine, or over an SSH tunnel.
//!
//! Anybody who can run programs on this machine could ask a server on it, and so could any page open in a browser here.
//! So it listens to this machine alone, and answers only who knows the token that it has printed ([`guard`]).

mod api_calls;
mod download;
mod guard;
mod news;
mod page;
#[cfg(test)]
mod tests;
mod upload;

use api::window::{Backend, BackendOptions};
use api::{DeviceChoice, Error, Result};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, Response};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long requests under way have to end once the server is to stop.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the command line says.
pub(crate) struct Options {
    /// Port; 0 for any that is free.
    pub(crate) port: u16,
    /// Where projects lie.
    pub(crate) projects: Option<PathBuf>,
    /// Folders with models that may lie elsewhere.
    pub(crate) models: Vec<PathBuf>,
    /// A project to show first.
    pub(crate) open: Option<PathBuf>,
    /// Where models compute.
    pub(crate) device: DeviceChoice,
}

/// What every request can see.
struct Server {
    backend: Backend,
    token: String,
    tickets: download::Tickets,
    /// Set when the server is to stop.
    closing: AtomicBool,
}

impl Server {
    fn new(backend: Backend) -> Result<Self> {
        Ok(Self { backend, token: token()?, tickets: download::Tickets::default(), closing: AtomicBool::new(false) })
    }
}

/// Serves until `stop` is set; `started` hears the address to open and its token.
pub(crate) fn serve(options: &Options, stop: &AtomicBool, started: impl FnOnce(&str, &str)) -> Result<()> {
    let open = options.open.as_ref().map(std::path::absolute).transpose().map_err(|error| failed(&error))?;
    let backend = Backend::new(settings(options, open.as_ref())?)?;
    if let Some(project) = &open {
        backend.call("open_project", serde_json::json!({ "folder": project }))?;
    }
    run(&Arc::new(Server::new(backend)?), options.port, stop, |address, token| {
        let mut url = format!("http://{address}/#token={token}");
        if let Some(project) = &open {
            url += "&open=";
            url += &percent_encoded(&project.display().to_string());
        }
        started(&url, token);
    })
}

fn run(server: &Arc<Server>, port: u16, stop: &AtomicBool, started: impl FnOnce(SocketAddr, &str)) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| Error {
            code: "port".into(),
            message: format!("port {port} cannot be used: {error}"),
            hint: "Give another one with --port, or 0 for any that is free.".into(),
        })?;
        started(listener.local_addr().map_err(|error| failed(&error))?, &server.token);
        until_stopped(listener, server, stop).await
    });
    server.backend.stop_jobs(PATIENCE);
    runtime.shutdown_timeout(PATIENCE);
    served
}

async fn until_stopped(listener: TcpListener, server: &Arc<Server>, stop: &AtomicBool) -> Result<()> {
    let stopped = async {
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (close, closed) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, router(Arc::clone(server))).with_graceful_shutdown(async {
        // An error says that the sender has gone, which means the same.
        let _ = closed.await;
    });
    let mut serving = tokio::spawn(serving.into_future());
    tokio::select! {
        ended = &mut serving => return ended.map_err(|error| failed(&error))?.map_err(|error| failed(&error)),
        () = stopped => {}
    }
    server.closing.store(true, Ordering::Relaxed);
    drop(close);
    // Who is not done then is cut off.
    let _ = tokio::time::timeout(PATIENCE, serving).await;
    Ok(())
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/api/news", get(news::news))
        .route("/api/{operation}", post(api_calls::call))
        .route("/upload", post(upload::upload))
        .route("/download", post(download::ticket))
        .layer(from_fn_with_state(Arc::clone(&server), guard::token))
        // A ticket is what was given to who has the token.
        .route("/download/{ticket}", get(download::download))
        .fallback(page::file)
        .layer(from_fn(guard::own_page))
        .layer(map_response(with_headers))
        .with_state(server)
}

/// What a browser is told of every answer: nothing from elsewhere, nothing in line, no frames, no guessing.
async fn with_headers<B>(mut response: Response<B>) -> Response<B> {
    const HEADERS: [(&str, &str); 6] = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
             font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// The folders of this system's conventions, where the command line and the environment (`TIEBREAK_DATA`,
/// `TIEBREAK_PROJECTS`) name no others.
fn settings(options: &Options, open: Option<&PathBuf>) -> Result<BackendOptions> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let none = |what: &str, how: &str| Error {
        code: "no_folder".into(),
        message: format!("this system names no folder for {what}"),
        hint: format!("Set {how} to one."),
    };
    let data_folder = named("TIEBREAK_DATA").or_else(|| Some(dirs::data_local_dir()?.join("tiebreak")));
    let projects_folder = options.projects.clone().or_else(|| named("TIEBREAK_PROJECTS"));
    // As PATH: several, with the system's own mark between them.
    let listed = || named("TIEBREAK_MODELS").map(|list| std::env::split_paths(&list).collect());
    let models = if options.models.is_empty() { listed().unwrap_or_default() } else { options.models.clone() };
    let documents = || Some(dirs::document_dir().or_else(dirs::home_dir)?.join("Tiebreak"));
    Ok(BackendOptions {
        data_folder: data_folder.ok_or_else(|| none("the data of programs", "TIEBREAK_DATA"))?,
        projects_folder: projects_folder.or_else(documents).ok_or_else(|| none("documents", "--projects"))?,
        may_choose_folders: false,
        allowed_roots: open.cloned().into_iter().collect(),
        model_folders: models,
        program: std::env::current_exe().map_err(|error| failed(&error))?,
        device: options.device,
    })
}

/// 256 bits from the system's generator, in hexadecimal.
fn token() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| failed(&error))?;
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    Ok(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error {
        code: "server".into(),
        message: format!("the server cannot go on: {error}"),
        hint: "Close other programs, or start it again.".into(),
    }
}
