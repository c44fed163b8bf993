// SPDX-License-Identifier: Apache-2.0

package app

// Status is how far a message got. It only moves up; Unknown is a state of its own: the network may or may not have
// taken the message, and it is never sent again without a person's word.
type Status uint8

// The states of a message. Their numbers are stored.
const (
	StatusNone      Status = iota // inbound messages and notes
	StatusQueued                  // in the outbox
	StatusSending                 // an attempt is under way
	StatusUnknown                 // the attempt ended without an answer
	StatusSent                    // accepted by the network
	StatusDelivered               // on the customer's device
	StatusRead                    // seen by the customer
	StatusPlayed                  // a voice message was listened to
	StatusFailed                  // the network refused it
	StatusCancelled               // withdrawn before it was sent
)

var statusNames = [...]string{
	"", "queued", "sending", "unknown", "sent", "delivered", "read", "played", "failed", "cancelled",
}

// String returns the lower-case name of the status, "" for none.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// after returns the status that holds once news arrives: never lower on the ladder, except that a network that
// delivers after all outranks its own earlier failure (PROTOCOLS 1.2).
func (s Status) after(news Status) Status {
	if s == StatusFailed {
		if news == StatusDelivered || news == StatusRead || news == StatusPlayed {
			return news
		}
		return s
	}
	if news == StatusFailed {
		if s >= StatusDelivered {
			return s
		}
		return news
	}
	return max(s, news)
}
