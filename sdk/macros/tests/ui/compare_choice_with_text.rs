use bandstand::prelude::*;

#[derive(Choices, Clone, Copy)]
pub enum Condition {
    New,
    Worn,
}

#[derive(Model)]
pub struct Copy {
    pub id: Id<Self>,
    pub condition: Condition,
    #[field(max_digits = 6, decimal_places = 2)]
    pub price: Decimal,
}

#[derive(Model)]
pub struct Member {
    pub id: Id<Self>,
}

#[derive(Model)]
pub struct Loan {
    pub id: Id<Self>,
    #[field(on_delete = Cascade, related_name = "loans")]
    pub copy: ForeignKey<Copy>,
    pub due: Date,
    pub back: Option<Date>,
}

fn new() -> QuerySet<Copy> {
    Copy::objects().filter(Copy::CONDITION.eq("new"))
}

app! {
    name: "library",
    models: [Copy, Member, Loan],
}

fn main() {}
