// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"strings"
)

// Role is a set of permissions: one of those below, or one that the installation made (see CustomRole).
type Role uint8

// The roles that are always there. Their numbers are stored: append only, below 16.
const (
	Owner Role = iota + 1
	Admin
	Manager
	AgentRole
	PrivacyOfficer
	Auditor
	lastBuiltIn = Auditor
)

// firstCustom is the number of the first role that the installation made; lastCustom that of the last there can be.
const (
	firstCustom Role = 16
	lastCustom  Role = 255
)

var roleNames = [...]string{
	Owner: "owner", Admin: "admin", Manager: "manager", AgentRole: "agent", PrivacyOfficer: "privacy_officer", Auditor: "auditor",
}

// Permission is something that may be done.
type Permission uint8

// The permissions. Roles of the installation's own keep their names, not their numbers.
const (
	MayConverse     Permission = iota + 1 // answer, assign, label and resolve conversations
	MayContacts                           // add and change contacts
	MayErase                              // delete contacts
	MayInboxes                            // connect and change inboxes
	MaySeeChannels                        // see inboxes, their notices and what could not be read
	MayAgents                             // add and change agents and keys
	MayAudit                              // read, check and export the audit log; see alarms
	MayReceive                            // store what a network tells; work the outbox
	MayOwnAccount                         // sign in and out, change the own password
	MayRead                               // read conversations and messages, search them, open files
	MaySeeContacts                        // see contacts
	MayReveal                             // see one masked contact in full; each time is audited
	MaySensitive                          // see what is flagged as sensitive, and take the flag away
	MayExport                             // take personal data out in bulk
	MayRoles                              // make roles, limit people to inboxes, choose what is masked
	MayOwn                                // make and unmake owners
	MaySeeRetention                       // see how long records are kept and what is due
	MayRetention                          // change that, and let it run
)

// rights is the one table of who may what: an x in the column of the role. The machine may only what builtIn says.
var rights = [...]struct {
	may  Permission
	name string
	held string
}{
	//                                owner, admin, manager, agent, privacy officer, auditor
	{MayRead, "read", "xxxxx-"},
	{MayConverse, "converse", "xxxx--"},
	{MaySeeContacts, "see_contacts", "xxxxx-"},
	{MayContacts, "contacts", "xxxxx-"},
	{MayReveal, "reveal", "xxxxx-"},
	{MaySensitive, "sensitive", "xx--x-"},
	{MayErase, "erase", "xx--x-"},
	{MayExport, "export", "xx--x-"},
	{MaySeeRetention, "see_retention", "xxx-xx"},
	{MayRetention, "retention", "xx--x-"},
	{MaySeeChannels, "see_channels", "xxx---"},
	{MayInboxes, "inboxes", "xx----"},
	{MayAgents, "agents", "xx----"},
	{MayRoles, "roles", "xx----"},
	{MayAudit, "audit", "xx--xx"},
	{MayOwnAccount, "own_account", "xxxxxx"},
	{MayOwn, "own", "x-----"},
	{MayReceive, "receive", "------"},
}

// permissionSet is a set of permissions, a bit each.
type permissionSet uint32

func setOf(all ...Permission) (s permissionSet) {
	for _, one := range all {
		s |= 1 << one
	}
	return s
}

func (s permissionSet) has(one Permission) bool { return s&(1<<one) != 0 }

// covers reports whether everything in t is in s.
func (s permissionSet) covers(t permissionSet) bool { return t&^s == 0 }

// permissions returns what the table gives the role; a role that is not in it may nothing.
func (r Role) permissions() (s permissionSet) {
	if r == 0 || r > lastBuiltIn {
		return 0
	}
	for _, row := range rights {
		if row.held[r-1] == 'x' {
			s |= 1 << row.may
		}
	}
	return s
}

// BuiltIn reports whether the role is one of those that are always there.
func (r Role) BuiltIn() bool { return r >= Owner && r <= lastBuiltIn }

// String returns the lower-case name of the role; of one that the installation made, its number.
func (r Role) String() string {
	switch {
	case r >= firstCustom:
		return fmt.Sprintf("role-%d", uint8(r))
	case int(r) < len(roleNames):
		return roleNames[r]
	}
	return ""
}

// ParseRole returns the built-in role of that name. RoleNamed of the Desk knows the installation's own too.
func ParseRole(name string) (Role, error) {
	for i, one := range roleNames {
		if one == name && one != "" {
			return Role(i), nil //nolint:gosec // six names
		}
	}
	return 0, unknownRole()
}

func unknownRole() error {
	return invalid("role", "problem.role", "Choose owner, admin, manager, agent, privacy_officer or auditor as the role.")
}

// BuiltInRoles returns the roles that are always there, from most to least.
func BuiltInRoles() []Role { return []Role{Owner, Admin, Manager, AgentRole, PrivacyOfficer, Auditor} }

// String returns the name of the permission, such as "see_contacts".
func (p Permission) String() string {
	for _, row := range rights {
		if row.may == p {
			return row.name
		}
	}
	return ""
}

// Permissions returns every permission that a role can have, in the order of the table.
func Permissions() []Permission {
	var out []Permission
	for _, row := range rights {
		if row.may != MayReceive {
			out = append(out, row.may)
		}
	}
	return out
}

// ParsePermission returns the permission of that name.
func ParsePermission(name string) (Permission, error) {
	for _, row := range rights {
		if row.name == name && row.may != MayReceive {
			return row.may, nil
		}
	}
	return 0, invalid("permissions", "problem.permission",
		fmt.Sprintf("There is no permission %q. Choose among %s.", name, strings.Join(permissionNames(), ", ")), name)
}

func permissionNames() []string {
	var out []string
	for _, one := range Permissions() {
		out = append(out, one.String())
	}
	return out
}
