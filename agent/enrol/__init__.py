"""How a device joins its network: key, certificate, enrolment and renewal."""
