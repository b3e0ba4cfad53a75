//! What the shop sold.

use bandstand::db::{partition_by, rank, value};
use bandstand::prelude::*;
use serde::Serialize;

use crate::models::{Album, Customer, Invoice, Track};

/// How many customers are shown.
const CUSTOMERS: u64 = 20;
/// The last place of a genre that is shown, and the least that a track sold to be there.
const PLACES: i64 = 3;
const SOLD: i64 = 2;

#[derive(Serialize)]
struct BestCustomer {
    place: i64,
    name: String,
    country: Option<String>,
    invoices: u64,
    largest: Option<Decimal>,
    revenue: Option<Decimal>,
}

#[get("/customers/", name = "customers")]
pub async fn customers(req: &Request) -> Result<Response> {
    let totals = Customer::INVOICE_SET.total();
    // Added to nothing, the sum of each row's invoices is a value of the row, which rows can be ranked by.
    let spent = value(Decimal::ZERO) + totals.sum();
    let rows = Customer::objects()
        .annotate((totals.sum(), Customer::INVOICE_SET.count(), totals.max(), rank().over(spent.desc())))
        .order_with(|(revenue, ..)| revenue.desc())
        .order_with(|_| Customer::ID.asc())
        .limit(CUSTOMERS)
        .all()
        .await?;
    let customers: Vec<BestCustomer> = rows
        .into_iter()
        .map(|(customer, (revenue, invoices, largest, place))| BestCustomer {
            place,
            name: format!("{} {}", customer.first_name, customer.last_name),
            country: customer.country,
            invoices,
            largest,
            revenue,
        })
        .collect();
    render(req, "chinook/customers.html", context! { customers })
}

/// What a month or a country brought, with its share of the best one.
#[derive(Serialize)]
struct Month {
    month: DateTime,
    invoices: u64,
    revenue: Decimal,
    percent: Decimal,
}

#[derive(Serialize)]
struct Country {
    country: Option<String>,
    invoices: u64,
    revenue: Decimal,
    percent: Decimal,
}

/// The share of `best` in percent, rounded.
fn percent(revenue: Decimal, best: Decimal) -> Decimal {
    let share = revenue * Decimal::ONE_HUNDRED;
    share.checked_div(best).unwrap_or_default().round()
}

#[get("/revenue/", name = "revenue")]
pub async fn revenue(req: &Request) -> Result<Response> {
    let (total, invoices) = Invoice::objects().aggregate((Invoice::TOTAL.sum(), count())).await?;
    let month = Invoice::INVOICE_DATE.trunc(Unit::Month);
    let rows = Invoice::objects().group_by(month.clone()).annotate((Invoice::TOTAL.sum(), count()));
    let rows = rows.order_by(month.asc()).all().await?;
    let best = rows.iter().filter_map(|(_, (revenue, _))| *revenue).max().unwrap_or_default();
    let months: Vec<Month> = rows
        .into_iter()
        .map(|(month, (revenue, invoices))| {
            let revenue = revenue.unwrap_or_default();
            Month { month, invoices, revenue, percent: percent(revenue, best) }
        })
        .collect();
    let rows = Invoice::objects().group_by(Invoice::BILLING_COUNTRY).annotate((Invoice::TOTAL.sum(), count()));
    let rows = rows.order_with(|(revenue, _)| revenue.desc()).order_with(|_| Invoice::BILLING_COUNTRY.asc());
    let rows = rows.all().await?;
    let best = rows.first().and_then(|(_, (revenue, _))| *revenue).unwrap_or_default();
    let countries: Vec<Country> = rows
        .into_iter()
        .map(|(country, (revenue, invoices))| {
            let revenue = revenue.unwrap_or_default();
            Country { country, invoices, revenue, percent: percent(revenue, best) }
        })
        .collect();
    let total = total.unwrap_or_default();
    render(req, "chinook/revenue.html", context! { total, invoices, months, countries })
}

#[derive(Serialize)]
struct Seller {
    genre: String,
    place: i64,
    name: String,
    album: Option<Id<Album>>,
    artist: Option<String>,
    sold: i64,
}

#[get("/best-sellers/", name = "genres")]
pub async fn genres(req: &Request) -> Result<Response> {
    let sold = Track::INVOICE_LINE_SET.quantity().sum().coalesce(0);
    let place = rank().over(partition_by(Track::GENRE).order_by((value(0_i64) + sold.clone()).desc()));
    let rows = Track::objects()
        .select_related((Track::GENRE, Track::ALBUM, Track::ALBUM.artist()))
        .annotate((sold, place))
        .having(|(sold, place)| sold.ge(SOLD) & place.le(PLACES))
        .order_by([Track::GENRE.name().asc(), Track::NAME.asc()])
        .all()
        .await?;
    let mut tracks = Vec::with_capacity(rows.len());
    for (track, (sold, place)) in rows {
        let genre = track.genre().await?.and_then(|genre| genre.name.clone());
        let artist = match track.album().await? {
            Some(album) => album.artist().await?.name.clone(),
            None => None,
        };
        let album = track.album.as_ref().map(ForeignKey::id);
        let genre = genre.unwrap_or_else(|| "Without a genre".to_owned());
        tracks.push(Seller { genre, place, name: track.name, album, artist, sold });
    }
    tracks.sort_by(|a, b| (&a.genre, a.place, &a.name).cmp(&(&b.genre, b.place, &b.name)));
    render(req, "chinook/genres.html", context! { tracks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_and_never_divides_by_nothing() {
        let hundredths = |number| Decimal::new(number, 2);
        assert_eq!(percent(hundredths(198), hundredths(396)), Decimal::from(50));
        assert_eq!(percent(Decimal::ZERO, Decimal::ZERO), Decimal::ZERO);
    }
}
