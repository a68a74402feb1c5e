//! Numbers in sentences of the window, as the page writes them.

pub(crate) use numbers::counted;
