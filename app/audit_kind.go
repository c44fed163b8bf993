// SPDX-License-Identifier: Apache-2.0

package app

import "strconv"

// auditNames are what acts are called in exports, in the API and as keys of the catalogues.
var auditNames = map[AuditKind]string{
	AuditAgentAdded: "agent_added", AuditInboxAdded: "inbox_added", AuditInboxChanged: "inbox_changed",
	AuditReplied: "replied", AuditNoted: "noted", AuditConversationChanged: "conversation_changed",
	AuditContactAdded: "contact_added", AuditContactChanged: "contact_changed", AuditContactErased: "contact_erased",
	AuditReacted: "reacted", AuditResent: "resent", AuditCancelled: "cancelled", AuditLabelAdded: "label_added",
	AuditReplayed: "replayed", AuditSignedIn: "signed_in", AuditKeyAdded: "key_added",
	AuditSettingChanged: "setting_changed", AuditMarkedRead: "marked_read", AuditSignedOut: "signed_out",
	AuditPasswordSet: "password_set", AuditKeyRemoved: "key_removed", AuditSignInFailed: "sign_in_failed",
	AuditSecondFactor: "second_factor", AuditFactorAdded: "factor_added", AuditFactorRemoved: "factor_removed",
	AuditRecoveryMade: "recovery_made", AuditRecoveryUsed: "recovery_used", AuditProved: "proved",
	AuditInvited: "invited", AuditAgentChanged: "agent_changed", AuditAgentDisabled: "agent_disabled",
	AuditAgentEnabled: "agent_enabled", AuditTeamChanged: "team_changed", AuditAccountTaken: "account_taken",
	AuditDeletionAsked: "deletion_asked", AuditNewDevice: "new_device", AuditRetentionRun: "retention_run",
	AuditConversationRead: "conversation_read", AuditContactRead: "contact_read",
	AuditContactsListed: "contacts_listed", AuditSearched: "searched", AuditRevealed: "revealed",
	AuditExported: "exported", AuditRefused: "refused", AuditRoleChanged: "role_changed",
	AuditScopeChanged: "scope_changed", AuditMaskChanged: "mask_changed", AuditKeptFor: "kept_for",
}

// String returns the name of the act, such as "replied".
func (k AuditKind) String() string {
	if name, ok := auditNames[k]; ok {
		return name
	}
	return "kind_" + strconv.Itoa(int(k))
}

// ParseAuditKind returns the act of that name.
func ParseAuditKind(name string) (AuditKind, error) {
	for k, one := range auditNames {
		if one == name {
			return k, nil
		}
	}
	return 0, invalid("kind", "problem.audit_kind", "There is no act of this name in the audit trail.")
}

// AuditKinds returns every act, in the order of their numbers.
func AuditKinds() []AuditKind {
	out := make([]AuditKind, 0, len(auditNames))
	for k := AuditKind(1); len(out) < len(auditNames); k++ {
		if _, ok := auditNames[k]; ok {
			out = append(out, k)
		}
	}
	return out
}

// String returns "agent", "key", "system" or "host".
func (k ActorKind) String() string {
	return [...]string{"", "agent", "key", "system", "host", "", "", ""}[k&7]
}
