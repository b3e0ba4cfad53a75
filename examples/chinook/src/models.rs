//! Models for tables that were there before, as `bandstand inspectdb` wrote them. Lines that begin with
//! `inspectdb:` say what it had to guess or leave out: read them, then take them away.
//!
//! The tables have names of their own, so the operator grants them in bandstand.toml, under `[apps.NAME]`:
//!
//! ```toml
//! tables = ["Album", "Artist", "Customer", "Employee", "Genre", "Invoice", "InvoiceLine", "MediaType",
//!     "Playlist", "PlaylistTrack", "Track"]
//! ```
//!
//! The app names the models in `app!`:
//!
//! ```text
//! models: [Album, Artist, Customer, Employee, Genre, Invoice, InvoiceLine, MediaType, Playlist,
//!     PlaylistTrack, Track]
//! ```

use bandstand::prelude::*;

/// A row of the table `Album`.
#[derive(Model)]
#[model(table = "Album", managed = false)]
pub struct Album {
    #[field(column = "AlbumId")]
    pub id: Id<Self>,
    #[field(max_length = 160, column = "Title")]
    pub title: String,
    #[field(column = "ArtistId", on_delete = DoNothing)]
    pub artist: ForeignKey<Artist>,
}

/// A row of the table `Artist`.
#[derive(Model)]
#[model(table = "Artist", managed = false)]
pub struct Artist {
    #[field(column = "ArtistId")]
    pub id: Id<Self>,
    #[field(max_length = 120, column = "Name")]
    pub name: Option<String>,
}

/// A row of the table `Customer`.
#[derive(Model)]
#[model(table = "Customer", managed = false)]
pub struct Customer {
    #[field(column = "CustomerId")]
    pub id: Id<Self>,
    #[field(max_length = 40, column = "FirstName")]
    pub first_name: String,
    #[field(max_length = 20, column = "LastName")]
    pub last_name: String,
    #[field(max_length = 80, column = "Company")]
    pub company: Option<String>,
    #[field(max_length = 70, column = "Address")]
    pub address: Option<String>,
    #[field(max_length = 40, column = "City")]
    pub city: Option<String>,
    #[field(max_length = 40, column = "State")]
    pub state: Option<String>,
    #[field(max_length = 40, column = "Country")]
    pub country: Option<String>,
    #[field(max_length = 10, column = "PostalCode")]
    pub postal_code: Option<String>,
    #[field(max_length = 24, column = "Phone")]
    pub phone: Option<String>,
    #[field(max_length = 24, column = "Fax")]
    pub fax: Option<String>,
    #[field(max_length = 60, column = "Email")]
    pub email: String,
    #[field(column = "SupportRepId", on_delete = DoNothing)]
    pub support_rep: Option<ForeignKey<Employee>>,
}

/// A row of the table `Employee`.
#[derive(Model)]
#[model(table = "Employee", managed = false)]
pub struct Employee {
    #[field(column = "EmployeeId")]
    pub id: Id<Self>,
    #[field(max_length = 20, column = "LastName")]
    pub last_name: String,
    #[field(max_length = 20, column = "FirstName")]
    pub first_name: String,
    #[field(max_length = 30, column = "Title")]
    pub title: Option<String>,
    #[field(column = "ReportsTo", on_delete = DoNothing)]
    pub reports_to: Option<ForeignKey<Employee>>,
    #[field(column = "BirthDate")]
    pub birth_date: Option<Date>,
    #[field(column = "HireDate")]
    pub hire_date: Option<Date>,
    #[field(max_length = 70, column = "Address")]
    pub address: Option<String>,
    #[field(max_length = 40, column = "City")]
    pub city: Option<String>,
    #[field(max_length = 40, column = "State")]
    pub state: Option<String>,
    #[field(max_length = 40, column = "Country")]
    pub country: Option<String>,
    #[field(max_length = 10, column = "PostalCode")]
    pub postal_code: Option<String>,
    #[field(max_length = 24, column = "Phone")]
    pub phone: Option<String>,
    #[field(max_length = 24, column = "Fax")]
    pub fax: Option<String>,
    #[field(max_length = 60, column = "Email")]
    pub email: Option<String>,
}

/// A row of the table `Genre`.
#[derive(Model)]
#[model(table = "Genre", managed = false)]
pub struct Genre {
    #[field(column = "GenreId")]
    pub id: Id<Self>,
    #[field(max_length = 120, column = "Name")]
    pub name: Option<String>,
}

/// A row of the table `Invoice`.
#[derive(Model)]
#[model(table = "Invoice", managed = false)]
pub struct Invoice {
    #[field(column = "InvoiceId")]
    pub id: Id<Self>,
    #[field(column = "CustomerId", on_delete = DoNothing)]
    pub customer: ForeignKey<Customer>,
    #[field(column = "InvoiceDate")]
    pub invoice_date: DateTime,
    #[field(max_length = 70, column = "BillingAddress")]
    pub billing_address: Option<String>,
    #[field(max_length = 40, column = "BillingCity")]
    pub billing_city: Option<String>,
    #[field(max_length = 40, column = "BillingState")]
    pub billing_state: Option<String>,
    #[field(max_length = 40, column = "BillingCountry")]
    pub billing_country: Option<String>,
    #[field(max_length = 10, column = "BillingPostalCode")]
    pub billing_postal_code: Option<String>,
    // inspectdb: right if it holds whole numbers of which the last 2 digits are decimal places
    #[field(max_digits = 10, decimal_places = 2, column = "Total")]
    pub total: Decimal,
}

/// A row of the table `InvoiceLine`.
#[derive(Model)]
#[model(table = "InvoiceLine", managed = false)]
pub struct InvoiceLine {
    #[field(column = "InvoiceLineId")]
    pub id: Id<Self>,
    #[field(column = "InvoiceId", on_delete = DoNothing)]
    pub invoice: ForeignKey<Invoice>,
    #[field(column = "TrackId", on_delete = DoNothing)]
    pub track: ForeignKey<Track>,
    // inspectdb: right if it holds whole numbers of which the last 2 digits are decimal places
    #[field(max_digits = 10, decimal_places = 2, column = "UnitPrice")]
    pub unit_price: Decimal,
    #[field(column = "Quantity")]
    pub quantity: i64,
}

/// A row of the table `MediaType`.
#[derive(Model)]
#[model(table = "MediaType", managed = false)]
pub struct MediaType {
    #[field(column = "MediaTypeId")]
    pub id: Id<Self>,
    #[field(max_length = 120, column = "Name")]
    pub name: Option<String>,
}

/// A row of the table `Playlist`.
#[derive(Model)]
#[model(table = "Playlist", managed = false)]
pub struct Playlist {
    #[field(column = "PlaylistId")]
    pub id: Id<Self>,
    #[field(max_length = 120, column = "Name")]
    pub name: Option<String>,
    #[field(through = PlaylistTrack)]
    pub tracks: ManyToMany<Track>,
}

/// A row of the table `PlaylistTrack`.
#[derive(Model)]
#[model(table = "PlaylistTrack", managed = false, primary_key = ["playlist", "track"])]
pub struct PlaylistTrack {
    #[field(column = "PlaylistId", on_delete = DoNothing)]
    pub playlist: ForeignKey<Playlist>,
    #[field(column = "TrackId", on_delete = DoNothing)]
    pub track: ForeignKey<Track>,
}

/// A row of the table `Track`.
#[derive(Model)]
#[model(table = "Track", managed = false)]
pub struct Track {
    #[field(column = "TrackId")]
    pub id: Id<Self>,
    #[field(max_length = 200, column = "Name")]
    pub name: String,
    #[field(column = "AlbumId", on_delete = DoNothing)]
    pub album: Option<ForeignKey<Album>>,
    #[field(column = "MediaTypeId", on_delete = DoNothing)]
    pub media_type: ForeignKey<MediaType>,
    #[field(column = "GenreId", on_delete = DoNothing)]
    pub genre: Option<ForeignKey<Genre>>,
    #[field(max_length = 220, column = "Composer")]
    pub composer: Option<String>,
    #[field(column = "Milliseconds")]
    pub milliseconds: i64,
    #[field(column = "Bytes")]
    pub bytes: Option<i64>,
    // inspectdb: right if it holds whole numbers of which the last 2 digits are decimal places
    #[field(max_digits = 10, decimal_places = 2, column = "UnitPrice")]
    pub unit_price: Decimal,
}
