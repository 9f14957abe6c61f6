-- A copy of the database can be no phone's server: it knows no secret of a phone.
UPDATE sms_gateway_device
   SET secret = NULL,
       basic_user = NULL,
       basic_password = NULL
 WHERE gateway_id IN (SELECT id FROM sms_gateway WHERE code = 'smssync');
