//! Package depots, which serve IPS packages over HTTP.
//!
//! A [`Depot`] is an [`ips::Origin`] whose packages come from such a server: its catalogs,
//! manifests and payloads go through the [`store`] (by way of [`fetch`]), and nothing is used
//! before it was checked against its signature or hash. Without network it is what the store has.
//!
//! A [`Server`] is the other side: a file repository or a `.p5p` archive, read-only, for
//! [`Depot`]s and for pkg(7).
//!
//! The protocol, as much of it as is spoken here (a publisher's name may come before any
//! operation; without it the default publisher is meant):
//!
//! ```text
//! versions/0                       operations and their versions, one a line
//! publisher/0, publisher/1         JSON: publishers, their origins and mirrors
//! catalog/1/NAME                   catalog.attrs and the parts that it names
//! manifest/0/STEM@VERSION          a manifest; stem and version are percent-encoded
//! file/0/SHA1, file/1/SHA1         a payload, as it is stored (gzip)
//! info/0/STEM@VERSION              a description for people
//! search/1/QUERY                   what packages deliver, one a line
//! status/0                         JSON: how many packages each publisher has
//! ```

mod client;
mod info;
mod publishers;
mod respond;
mod search;
mod server;
mod site;
mod status;

pub use client::{Depot, Options};
pub use server::{Error, Server};
