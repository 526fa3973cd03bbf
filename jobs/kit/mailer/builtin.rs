//! The texts that are built in. Their HTML follows from the text, so the two never say different things.

/// A template, and what it is filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [&'static str],
    pub(crate) subject: &'static str,
    pub(crate) text: &'static str,
}

/// What a notice about an account is filled with.
const ACCOUNT: &[&str] = &["provider", "account", "organizer", "integration", "reason", "since", "reconnect"];
/// What a notice about an endpoint is filled with.
const ENDPOINT: &[&str] = &["name", "host", "organizer", "integration", "reason", "since", "failures", "enable"];

pub(crate) const BUILTIN: &[Builtin] = &[
    Builtin {
        name: "integration_disconnected",
        fields: ACCOUNT,
        subject: "Your {{provider}} account is no longer connected",
        text: "Hello,

{{provider}} no longer lets us use the account {{account}}. Until it is connected again, nothing is read from it and \
nothing is written to it.

What you can do: {{reconnect}}

What happened: {{reason}}
Since: {{since}}

You get this message once. We write again when the account is connected.
",
    },
    Builtin {
        name: "integration_recovered",
        fields: ACCOUNT,
        subject: "Your {{provider}} account is connected again",
        text: "Hello,

the account {{account}} at {{provider}} is connected again. You need not do anything.
",
    },
    Builtin {
        name: "integration_warning",
        fields: ACCOUNT,
        subject: "Trouble with your {{provider}} account",
        text: "Hello,

we have trouble reaching the account {{account}} at {{provider}}, and keep trying. If it goes on, it will be \
disconnected.

What happened: {{reason}}
Since: {{since}}

If you have changed your password or taken back a permission: {{reconnect}}
",
    },
    Builtin {
        name: "integration_disabled",
        fields: ACCOUNT,
        subject: "Your {{provider}} account was switched off",
        text: "Hello,

the account {{account}} at {{provider}} failed too often and was switched off. Nothing is read from it and nothing is \
written to it.

What you can do: {{reconnect}}

What happened: {{reason}}
Since: {{since}}
",
    },
    Builtin {
        name: "webhook_warning",
        fields: ENDPOINT,
        subject: "The webhook {{name}} does not take its deliveries",
        text: "Hello,

the webhook {{name}} at {{host}} has not taken a delivery since {{since}}: {{failures}} failed in a row. We keep trying. \
If it goes on, the webhook is switched off.

What happened last: {{reason}}

Please look whether the receiver runs, and whether it answers with a status of 200 to 299 within its time.
",
    },
    Builtin {
        name: "webhook_disabled",
        fields: ENDPOINT,
        subject: "The webhook {{name}} was switched off",
        text: "Hello,

the webhook {{name}} at {{host}} was switched off. Nothing more is delivered to it.

Why: {{reason}}
Failing since: {{since}}

When the receiver is well again, switch it on: {{enable}}
",
    },
    Builtin {
        name: "webhook_recovered",
        fields: ENDPOINT,
        subject: "The webhook {{name}} works again",
        text: "Hello,

the webhook {{name}} at {{host}} takes its deliveries again. You need not do anything.
",
    },
    Builtin {
        name: "task_assigned",
        fields: &["title", "assignee"],
        subject: "Task '{{title}}' assigned",
        text: "Hello {{assignee}},\n\nthe task '{{title}}' is assigned to you.\n",
    },
    Builtin {
        name: "task_status_changed",
        fields: &["title", "status"],
        subject: "Task '{{title}}' is now {{status}}",
        text: "Hello,\n\nthe task '{{title}}' is now {{status}}.\n",
    },
    Builtin {
        name: "task_completed",
        fields: &["title"],
        subject: "Task '{{title}}' completed",
        text: "Hello,\n\nthe task '{{title}}' is completed.\n",
    },
    Builtin {
        name: "comment_added",
        fields: &["title", "author", "comment"],
        subject: "New comment on '{{title}}'",
        text: "Hello,\n\n{{author}} wrote about '{{title}}':\n\n{{comment}}\n",
    },
    Builtin {
        name: "task_overdue",
        fields: &["title", "due"],
        subject: "Task '{{title}}' is overdue",
        text: "Hello,\n\nthe task '{{title}}' was due on {{due}}.\n",
    },
];
