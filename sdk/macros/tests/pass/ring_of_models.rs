// Foreign keys lead from model to model in a ring, as in any large schema, and a model points to several others.
#![allow(dead_code)]
use bandstand::prelude::*;

#[derive(Model)]
struct M00 {
    id: Id<Self>,
    #[field(related_name = "nexts00", on_delete = Cascade)]
    next: ForeignKey<M01>,
    #[field(related_name = "others00", on_delete = Cascade)]
    other: ForeignKey<M07>,
}

#[derive(Model)]
struct M01 {
    id: Id<Self>,
    #[field(related_name = "nexts01", on_delete = Cascade)]
    next: ForeignKey<M02>,
    #[field(related_name = "others01", on_delete = Cascade)]
    other: ForeignKey<M08>,
}

#[derive(Model)]
struct M02 {
    id: Id<Self>,
    #[field(related_name = "nexts02", on_delete = Cascade)]
    next: ForeignKey<M03>,
    #[field(related_name = "others02", on_delete = Cascade)]
    other: ForeignKey<M09>,
}

#[derive(Model)]
struct M03 {
    id: Id<Self>,
    #[field(related_name = "nexts03", on_delete = Cascade)]
    next: ForeignKey<M04>,
    #[field(related_name = "others03", on_delete = Cascade)]
    other: ForeignKey<M10>,
}

#[derive(Model)]
struct M04 {
    id: Id<Self>,
    #[field(related_name = "nexts04", on_delete = Cascade)]
    next: ForeignKey<M05>,
    #[field(related_name = "others04", on_delete = Cascade)]
    other: ForeignKey<M11>,
}

#[derive(Model)]
struct M05 {
    id: Id<Self>,
    #[field(related_name = "nexts05", on_delete = Cascade)]
    next: ForeignKey<M06>,
    #[field(related_name = "others05", on_delete = Cascade)]
    other: ForeignKey<M12>,
}

#[derive(Model)]
struct M06 {
    id: Id<Self>,
    #[field(related_name = "nexts06", on_delete = Cascade)]
    next: ForeignKey<M07>,
    #[field(related_name = "others06", on_delete = Cascade)]
    other: ForeignKey<M13>,
}

#[derive(Model)]
struct M07 {
    id: Id<Self>,
    #[field(related_name = "nexts07", on_delete = Cascade)]
    next: ForeignKey<M08>,
    #[field(related_name = "others07", on_delete = Cascade)]
    other: ForeignKey<M14>,
}

#[derive(Model)]
struct M08 {
    id: Id<Self>,
    #[field(related_name = "nexts08", on_delete = Cascade)]
    next: ForeignKey<M09>,
    #[field(related_name = "others08", on_delete = Cascade)]
    other: ForeignKey<M15>,
}

#[derive(Model)]
struct M09 {
    id: Id<Self>,
    #[field(related_name = "nexts09", on_delete = Cascade)]
    next: ForeignKey<M10>,
    #[field(related_name = "others09", on_delete = Cascade)]
    other: ForeignKey<M16>,
}

#[derive(Model)]
struct M10 {
    id: Id<Self>,
    #[field(related_name = "nexts10", on_delete = Cascade)]
    next: ForeignKey<M11>,
    #[field(related_name = "others10", on_delete = Cascade)]
    other: ForeignKey<M17>,
}

#[derive(Model)]
struct M11 {
    id: Id<Self>,
    #[field(related_name = "nexts11", on_delete = Cascade)]
    next: ForeignKey<M12>,
    #[field(related_name = "others11", on_delete = Cascade)]
    other: ForeignKey<M18>,
}

#[derive(Model)]
struct M12 {
    id: Id<Self>,
    #[field(related_name = "nexts12", on_delete = Cascade)]
    next: ForeignKey<M13>,
    #[field(related_name = "others12", on_delete = Cascade)]
    other: ForeignKey<M19>,
}

#[derive(Model)]
struct M13 {
    id: Id<Self>,
    #[field(related_name = "nexts13", on_delete = Cascade)]
    next: ForeignKey<M14>,
    #[field(related_name = "others13", on_delete = Cascade)]
    other: ForeignKey<M20>,
}

#[derive(Model)]
struct M14 {
    id: Id<Self>,
    #[field(related_name = "nexts14", on_delete = Cascade)]
    next: ForeignKey<M15>,
    #[field(related_name = "others14", on_delete = Cascade)]
    other: ForeignKey<M21>,
}

#[derive(Model)]
struct M15 {
    id: Id<Self>,
    #[field(related_name = "nexts15", on_delete = Cascade)]
    next: ForeignKey<M16>,
    #[field(related_name = "others15", on_delete = Cascade)]
    other: ForeignKey<M22>,
}

#[derive(Model)]
struct M16 {
    id: Id<Self>,
    #[field(related_name = "nexts16", on_delete = Cascade)]
    next: ForeignKey<M17>,
    #[field(related_name = "others16", on_delete = Cascade)]
    other: ForeignKey<M23>,
}

#[derive(Model)]
struct M17 {
    id: Id<Self>,
    #[field(related_name = "nexts17", on_delete = Cascade)]
    next: ForeignKey<M18>,
    #[field(related_name = "others17", on_delete = Cascade)]
    other: ForeignKey<M24>,
}

#[derive(Model)]
struct M18 {
    id: Id<Self>,
    #[field(related_name = "nexts18", on_delete = Cascade)]
    next: ForeignKey<M19>,
    #[field(related_name = "others18", on_delete = Cascade)]
    other: ForeignKey<M25>,
}

#[derive(Model)]
struct M19 {
    id: Id<Self>,
    #[field(related_name = "nexts19", on_delete = Cascade)]
    next: ForeignKey<M20>,
    #[field(related_name = "others19", on_delete = Cascade)]
    other: ForeignKey<M26>,
}

#[derive(Model)]
struct M20 {
    id: Id<Self>,
    #[field(related_name = "nexts20", on_delete = Cascade)]
    next: ForeignKey<M21>,
    #[field(related_name = "others20", on_delete = Cascade)]
    other: ForeignKey<M27>,
}

#[derive(Model)]
struct M21 {
    id: Id<Self>,
    #[field(related_name = "nexts21", on_delete = Cascade)]
    next: ForeignKey<M22>,
    #[field(related_name = "others21", on_delete = Cascade)]
    other: ForeignKey<M28>,
}

#[derive(Model)]
struct M22 {
    id: Id<Self>,
    #[field(related_name = "nexts22", on_delete = Cascade)]
    next: ForeignKey<M23>,
    #[field(related_name = "others22", on_delete = Cascade)]
    other: ForeignKey<M29>,
}

#[derive(Model)]
struct M23 {
    id: Id<Self>,
    #[field(related_name = "nexts23", on_delete = Cascade)]
    next: ForeignKey<M24>,
    #[field(related_name = "others23", on_delete = Cascade)]
    other: ForeignKey<M30>,
}

#[derive(Model)]
struct M24 {
    id: Id<Self>,
    #[field(related_name = "nexts24", on_delete = Cascade)]
    next: ForeignKey<M25>,
    #[field(related_name = "others24", on_delete = Cascade)]
    other: ForeignKey<M31>,
}

#[derive(Model)]
struct M25 {
    id: Id<Self>,
    #[field(related_name = "nexts25", on_delete = Cascade)]
    next: ForeignKey<M26>,
    #[field(related_name = "others25", on_delete = Cascade)]
    other: ForeignKey<M32>,
}

#[derive(Model)]
struct M26 {
    id: Id<Self>,
    #[field(related_name = "nexts26", on_delete = Cascade)]
    next: ForeignKey<M27>,
    #[field(related_name = "others26", on_delete = Cascade)]
    other: ForeignKey<M33>,
}

#[derive(Model)]
struct M27 {
    id: Id<Self>,
    #[field(related_name = "nexts27", on_delete = Cascade)]
    next: ForeignKey<M28>,
    #[field(related_name = "others27", on_delete = Cascade)]
    other: ForeignKey<M34>,
}

#[derive(Model)]
struct M28 {
    id: Id<Self>,
    #[field(related_name = "nexts28", on_delete = Cascade)]
    next: ForeignKey<M29>,
    #[field(related_name = "others28", on_delete = Cascade)]
    other: ForeignKey<M35>,
}

#[derive(Model)]
struct M29 {
    id: Id<Self>,
    #[field(related_name = "nexts29", on_delete = Cascade)]
    next: ForeignKey<M30>,
    #[field(related_name = "others29", on_delete = Cascade)]
    other: ForeignKey<M36>,
}

#[derive(Model)]
struct M30 {
    id: Id<Self>,
    #[field(related_name = "nexts30", on_delete = Cascade)]
    next: ForeignKey<M31>,
    #[field(related_name = "others30", on_delete = Cascade)]
    other: ForeignKey<M37>,
}

#[derive(Model)]
struct M31 {
    id: Id<Self>,
    #[field(related_name = "nexts31", on_delete = Cascade)]
    next: ForeignKey<M32>,
    #[field(related_name = "others31", on_delete = Cascade)]
    other: ForeignKey<M38>,
}

#[derive(Model)]
struct M32 {
    id: Id<Self>,
    #[field(related_name = "nexts32", on_delete = Cascade)]
    next: ForeignKey<M33>,
    #[field(related_name = "others32", on_delete = Cascade)]
    other: ForeignKey<M39>,
}

#[derive(Model)]
struct M33 {
    id: Id<Self>,
    #[field(related_name = "nexts33", on_delete = Cascade)]
    next: ForeignKey<M34>,
    #[field(related_name = "others33", on_delete = Cascade)]
    other: ForeignKey<M00>,
}

#[derive(Model)]
struct M34 {
    id: Id<Self>,
    #[field(related_name = "nexts34", on_delete = Cascade)]
    next: ForeignKey<M35>,
    #[field(related_name = "others34", on_delete = Cascade)]
    other: ForeignKey<M01>,
}

#[derive(Model)]
struct M35 {
    id: Id<Self>,
    #[field(related_name = "nexts35", on_delete = Cascade)]
    next: ForeignKey<M36>,
    #[field(related_name = "others35", on_delete = Cascade)]
    other: ForeignKey<M02>,
}

#[derive(Model)]
struct M36 {
    id: Id<Self>,
    #[field(related_name = "nexts36", on_delete = Cascade)]
    next: ForeignKey<M37>,
    #[field(related_name = "others36", on_delete = Cascade)]
    other: ForeignKey<M03>,
}

#[derive(Model)]
struct M37 {
    id: Id<Self>,
    #[field(related_name = "nexts37", on_delete = Cascade)]
    next: ForeignKey<M38>,
    #[field(related_name = "others37", on_delete = Cascade)]
    other: ForeignKey<M04>,
}

#[derive(Model)]
struct M38 {
    id: Id<Self>,
    #[field(related_name = "nexts38", on_delete = Cascade)]
    next: ForeignKey<M39>,
    #[field(related_name = "others38", on_delete = Cascade)]
    other: ForeignKey<M05>,
}

#[derive(Model)]
struct M39 {
    id: Id<Self>,
    #[field(related_name = "nexts39", on_delete = Cascade)]
    next: ForeignKey<M00>,
    #[field(related_name = "others39", on_delete = Cascade)]
    other: ForeignKey<M06>,
}

app! {
    name: "ring",
}

fn main() {
    let _ = M00::objects().filter(M00::NEXT.others34().next().nexts34().is_null());
    let _: fn(&M00) -> bool = |row| row.next == row.next;
}
