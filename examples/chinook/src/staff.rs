//! Who works in the shop, and for whom.

use bandstand::prelude::*;
use serde::Serialize;

use crate::models::Employee;

/// The most levels of a tree that are shown. Whoever reports to himself, over however many others, is shown once.
const LEVELS: usize = 20;

#[derive(Serialize)]
struct Person {
    id: Id<Employee>,
    name: String,
    title: Option<String>,
    customers: u64,
    reports: Vec<Person>,
}

/// Those who report to `boss`, each with those who report to them.
fn tree(rows: &[(Employee, u64)], boss: Option<Id<Employee>>, levels: usize) -> Vec<Person> {
    if levels == 0 {
        return Vec::new();
    }
    let reports = rows.iter().filter(|(employee, _)| employee.reports_to.as_ref().map(ForeignKey::id) == boss);
    reports
        .map(|(employee, customers)| Person {
            id: employee.id,
            name: name(employee),
            title: employee.title.clone(),
            customers: *customers,
            reports: tree(rows, Some(employee.id), levels - 1),
        })
        .collect()
}

fn name(employee: &Employee) -> String {
    format!("{} {}", employee.first_name, employee.last_name)
}

#[get("/staff/", name = "employees")]
pub async fn employees(req: &Request) -> Result<Response> {
    let rows = Employee::objects().order_by([Employee::LAST_NAME.asc(), Employee::ID.asc()]);
    let rows = rows.annotate(Employee::CUSTOMER_SET.count()).all().await?;
    render(req, "chinook/employees.html", context! { tree: tree(&rows, None, LEVELS) })
}

#[derive(Serialize)]
struct Colleague {
    id: Id<Employee>,
    name: String,
    title: Option<String>,
}

impl From<&Employee> for Colleague {
    fn from(employee: &Employee) -> Self {
        Self { id: employee.id, name: name(employee), title: employee.title.clone() }
    }
}

#[get("/staff/{employee}/", name = "employee")]
pub async fn employee(req: &Request, employee: Path<Id<Employee>>) -> Result<Response> {
    let employee = Employee::objects().get_or_404(employee).await?;
    let others = || {
        Employee::objects()
            .exclude(Employee::ID.eq(employee.id))
            .order_by([Employee::LAST_NAME.asc(), Employee::ID.asc()])
    };
    let above = others().ancestors_of(&employee, Employee::REPORTS_TO).all().await?;
    let below = others().descendants_of(&employee, Employee::EMPLOYEE_SET).all().await?;
    let above: Vec<Colleague> = above.iter().map(Colleague::from).collect();
    let below: Vec<Colleague> = below.iter().map(Colleague::from).collect();
    let hired = employee.hire_date;
    render(req, "chinook/employee.html", context! { person: Colleague::from(&employee), hired, above, below })
}
