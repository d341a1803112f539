"""People from Active Directory, over LDAP."""
