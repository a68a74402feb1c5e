//! The table of all operations: name, what it takes, what it gives, and the function that does it.
//!
//! Both come from this one table: what [`super::Backend::call`] does, and the interface that the page is typed by.

use super::types::{
    CancelJob, CreateProject, FetchModel, Home, InFolder, Job, Nothing, ProjectView, SetModel,
};
use super::{Backend, jobs, models, projects};
use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

macro_rules! operations {
    ($($name:ident: $request:ty => $reply:ty, $function:path;)*) => {
        /// Does the operation of that name.
        pub(super) fn call(backend: &Backend, operation: &str, request: Value) -> Result<Value> {
            $(if operation == stringify!($name) {
                let function: fn(&Backend, $request) -> Result<$reply> = $function;
                return answer(backend, operation, request, function);
            })*
            Err(Error::new(
                "unknown_operation",
                format!("there is no operation {operation:?}"),
                "reload the page: it may be older than the program",
            ))
        }

        /// Shows each operation's types to what writes them for the page.
        #[cfg(test)]
        pub(super) fn describe(bindings: &mut super::bindings::Bindings) {
            $(bindings.operation::<$request, $reply>(stringify!($name));)*
        }
    };
}

operations! {
    // Projects.
    home: Nothing => Home, projects::home;
    create_project: CreateProject => ProjectView, projects::create_project;
    open_project: InFolder => ProjectView, projects::open_project;
    open_demo: Nothing => ProjectView, projects::open_demo;
    forget_project: InFolder => Home, projects::forget_project;
    set_model: SetModel => ProjectView, projects::set_model;
    fetch_model: FetchModel => Job, models::fetch_model;

    // Jobs.
    jobs: Nothing => Vec<Job>, jobs::jobs;
    cancel_job: CancelJob => Job, jobs::cancel_job;
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    backend: &Backend,
    operation: &str,
    request: Value,
    function: fn(&Backend, Q) -> Result<A>,
) -> Result<Value> {
    let bad = |error: serde_json::Error| {
        let message = format!("{operation} was asked with a request that it does not understand: {error}");
        Error::new("bad_request", message, "reload the page: it may be older than the program")
    };
    let reply = function(backend, serde_json::from_value(request).map_err(bad)?)?;
    serde_json::to_value(reply).map_err(|error| {
        Error::new("bad_reply", format!("the answer of {operation} cannot be sent: {error}"), "report this as a fault")
    })
}
