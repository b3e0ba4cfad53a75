//! A shop, rows in it, and an app that sees the rows of one site alone.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use host_core::access::{Action, Facts, ModelGrant, ModelGrants, Must};
use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{AppDb, Db, DbConfig, Param, RequestDb, Value};
use host_store::{Store, StoreConfig};

/// The app that the models belong to.
pub const MANIFEST: &str = include_str!("../seeds/shop.json");
/// The app that uses them.
pub const USER: &str = include_str!("../seeds/user.json");

/// What stands in rows that nobody may see. It is another one in every run, so no input can know it.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    number: i64,
}

impl Marks {
    fn new() -> Self {
        let random = RandomState::new().hash_one(0_u8);
        // Far from what arithmetic comes to by itself, and small enough to be reckoned with.
        Self { number: 1_000_000_000_000 + i64::try_from(random % 1_000_000_000_000).unwrap_or(0) }
    }

    fn text(self) -> String {
        format!("mark{}", self.number)
    }

    /// Whether a text tells it.
    pub fn is_in(self, text: &str) -> bool {
        text.contains(&self.number.to_string())
    }
}

/// The database with both apps.
pub struct World {
    /// What drives requests.
    pub runtime: tokio::runtime::Runtime,
    /// What must never be seen.
    pub marks: Marks,
    owner: Arc<AppDb>,
    user: Arc<AppDb>,
    stranger: Arc<AppDb>,
}

/// Ends the process where the world itself is broken: then there is nothing to find.
macro_rules! made {
    ($what:expr) => {
        match $what {
            Ok(made) => made,
            Err(error) => panic!("the world can't be made: {error:?}"),
        }
    };
}

impl World {
    /// Makes it, with its rows.
    pub fn new() -> Self {
        let runtime = made!(tokio::runtime::Builder::new_current_thread().enable_time().build());
        let db = made!(Db::open(made!(Store::open(StoreConfig::temporary())), DbConfig::default()));
        let owner = made!(db.for_app(&made!(Manifest::parse(MANIFEST))));
        let user = made!(db.for_granted(&made!(Manifest::parse(USER)), &Grants::none(), &grants()));
        let raw: Grants = [Capability::Db, Capability::DbRaw].into_iter().collect();
        let stranger = r#"{"v":1,"name":"stranger","models":[{"name":"note","fields":[
            {"name":"id","kind":"auto"},{"name":"body","kind":"text"}]}]}"#;
        let stranger = made!(db.for_granted(&made!(Manifest::parse(stranger)), &raw, &ModelGrants::default()));
        let world = Self { runtime, marks: Marks::new(), owner, user, stranger };
        world.fill();
        world
    }

    fn fill(&self) {
        let db = self.owner();
        let mark = self.marks.text();
        let text = |text: &str| Param::One(Value::Text(text.into()));
        let int = |number| Param::One(Value::Integer(number));
        for (site, name, stock) in [("a", "pen", 3), ("a", "ink", 0), ("b", mark.as_str(), 7)] {
            let big = if site == "b" { self.marks.number } else { stock };
            let category =
                br#"{"v":1,"op":"insert","from":"category","set":{"site":{"$":0},"name":{"$":1}},"returning":["id"]}"#;
            let product =
                br#"{"v":1,"op":"insert","from":"product","set":{"site":{"$":0},"name":{"$":1},"stock":{"$":2},
                "big":{"$":3},"note":{"$":4},"category":{"$":5},"doc":{"$":6}},"returning":["id"]}"#;
            let sale = br#"{"v":1,"op":"insert","from":"sale","set":{"site":{"$":0},"product":{"$":1},"amount":{"$":2},
                "day":{"$":3},"who":{"$":4}}}"#;
            self.runtime.block_on(async {
                let key = |outcome: host_db::Outcome| match outcome.returned.cells.first() {
                    Some(Value::Integer(key)) => *key,
                    other => panic!("no key: {other:?}"),
                };
                let category = key(made!(db.execute(category, vec![text(site), text(name)]).await));
                let doc = Param::One(Value::Text(format!("{{\"a\":[1,{{\"b\":\"{name}\"}}]}}")));
                let values = vec![text(site), text(name), int(stock), int(big), text(name), int(category), doc];
                let product = key(made!(db.execute(product, values).await));
                for day in 0..3 {
                    let who = if site == "b" { "mark" } else { "ann" };
                    let values = vec![text(site), int(product), int(stock * 10 + day), int(day), text(who)];
                    made!(db.execute(sale, values).await);
                }
            });
        }
    }

    /// A request of the app that the models belong to.
    pub fn owner(&self) -> RequestDb {
        request(&self.owner, "shop")
    }

    /// A request of the app that sees the rows of site `a`.
    pub fn user(&self) -> RequestDb {
        request(&self.user, "user")
    }

    /// A request of an app that may write SQL, and whose tables are empty.
    pub fn stranger(&self) -> RequestDb {
        request(&self.stranger, "stranger")
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Its rows of site `a`, to do anything with.
pub fn grants() -> ModelGrants {
    let all = [Action::View, Action::Add, Action::Change, Action::Delete];
    let rule = || ("site".to_owned(), Must::Be(vec!["a".into()]));
    ["category", "product", "sale"]
        .map(|model| {
            let rows = [rule()].into_iter().collect();
            (format!("shop.{model}"), ModelGrant { rows, ..ModelGrant::of(all) })
        })
        .into_iter()
        .collect()
}

fn request(app: &Arc<AppDb>, name: &str) -> RequestDb {
    let grants = [Capability::Db, Capability::DbRaw].into_iter().collect();
    // What takes longer is stopped, which is no finding.
    let limits = Limits { wall_ms: 2_000, db_ms: 200, db_rows: 2_000, ..Limits::default() };
    let name = made!(AppId::new(name));
    let context = RequestContext::new(RequestId(1), name, Arc::new(grants), limits).with_facts(Facts::default());
    app.for_request(Arc::new(context))
}
