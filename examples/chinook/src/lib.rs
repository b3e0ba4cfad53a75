//! A music shop over the Chinook sample database: tables with another's names and conventions, which the app reads and
//! nobody changes for it. README.md says how to run it.

#![allow(unreachable_pub, reason = "nobody imports an app; `pub` says what its modules are for")]

mod catalogue;
mod models;
mod sales;
mod staff;

use bandstand::app;
use models::{
    Album, Artist, Customer, Employee, Genre, Invoice, InvoiceLine, MediaType, Playlist, PlaylistTrack, Track,
};

app! {
    name: "chinook",
    label: "Chinook",
    models: [Album, Artist, Customer, Employee, Genre, Invoice, InvoiceLine, MediaType, Playlist, PlaylistTrack, Track],
    routes: [
        catalogue::artists,
        catalogue::artist,
        catalogue::album,
        catalogue::playlists,
        catalogue::playlist,
        catalogue::search,
        sales::genres,
        sales::customers,
        sales::revenue,
        staff::employees,
        staff::employee,
    ],
}
