//! The page of `dm serve`: a small web server on this machine for looking at and playing with diffusion.
//!
//! A request passes through these files: [`connection`] bounds connections, [`access`] checks where the request comes from,
//! [`routes`] finds its handler, [`answer`] reads its JSON and writes answers, and [`queue`] bounds what computes at the same
//! time. Handlers are in [`degrade`], [`sample`], [`temperature`] and [`runs`]. The page itself is in the folder `assets`: plain
//! HTML, CSS and JavaScript modules inside the program.
//!
//! No text of a request is ever used as a path. Clients name models, runs and pictures by identifiers that the server has
//! listed before.

mod access;
mod answer;
mod assets;
mod catalogue;
mod connection;
mod degrade;
mod film;
mod limits;
mod models;
mod order;
mod process;
mod queue;
mod recent;
mod routes;
mod runs;
mod sample;
mod server;
mod site;
mod temperature;
mod token;

pub use server::{Address, serve};
pub use site::Site;
pub use token::Token;
