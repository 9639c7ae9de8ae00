"""Who may send: the registry of devices, the certificate authority, enrolment, and what the broker is told."""
