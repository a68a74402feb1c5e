//! Who may ask: the page that this server itself has served, opened with the token that it has printed.

use super::Server;
use super::api_calls::refused;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Refuses requests that name another host, or that another page's script makes.
///
/// A foreign page can make its own host name point to this machine (DNS rebinding), and is then of the same origin as
/// this server as far as the browser knows; but the host it names is still its own. The port may be another one than
/// ours: an SSH tunnel has its own.
pub(super) async fn own_page(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let Some(host) = only(headers, &HOST).filter(|host| names_this_machine(host)) else {
        return refused(
            StatusCode::FORBIDDEN,
            "host",
            "this server answers to 127.0.0.1 and localhost alone",
            "Open the address that `tiebreak serve` printed.",
        );
    };
    let foreign = headers.contains_key(ORIGIN) && only(headers, &ORIGIN) != Some(&format!("http://{host}"));
    if foreign {
        return refused(
            StatusCode::FORBIDDEN,
            "origin",
            "another page may not ask this server",
            "Open the address that `tiebreak serve` printed.",
        );
    }
    next.run(request).await
}

/// Refuses requests without the token.
pub(super) async fn token(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let given = only(request.headers(), &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    // How long the comparison takes says nothing about the token.
    let right = given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(server.token.as_bytes())));
    if !right {
        return refused(
            StatusCode::UNAUTHORIZED,
            "token",
            "this page is not allowed to ask the program",
            "Open the address that `tiebreak serve` printed: it holds the token.",
        );
    }
    next.run(request).await
}

/// The header's value, where it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::names_this_machine;

    #[test]
    fn only_names_of_this_machine_pass() {
        for host in ["127.0.0.1:8123", "localhost:8123", "LOCALHOST", "127.0.0.1"] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in
            ["", "example.org", "localhost.example.org:80", "127.0.0.1.example.org", "127.0.0.1:80@x", "localhost:"]
        {
            assert!(!names_this_machine(host), "{host}");
        }
    }
}
